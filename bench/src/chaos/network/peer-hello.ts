/**
 * Who opened a connection between brokers: the broker id in the hello that its first frame is.
 *
 * A frame is two big-endian uint32 (bytes that follow the first of them, bytes of the header), then the header: a
 * protobuf PeerFrame whose field 1 is a PeerHello, whose field 4 is the broker's id (proto/schema, peer.proto). Only
 * those two fields are looked for, so that the proxy knows as little as possible of what it carries.
 */

const PREFIX_BYTES = 8
const HELLO_FIELD = 1
const BROKER_ID_FIELD = 4
const FRAME_BYTES_MAX = 64 * 1024

/** The id; `more` while the frame is not whole; `unknown` when it is no hello. */
export function helloBrokerId(bytes: Buffer): number | 'more' | 'unknown' {
  if (bytes.length < PREFIX_BYTES) return 'more'
  const frameBytes = bytes.readUInt32BE(0)
  const headerBytes = bytes.readUInt32BE(4)
  if (frameBytes > FRAME_BYTES_MAX || headerBytes > frameBytes) return 'unknown'
  if (bytes.length < PREFIX_BYTES + headerBytes) return 'more'
  const hello = field(bytes.subarray(PREFIX_BYTES, PREFIX_BYTES + headerBytes), HELLO_FIELD)
  if (!(hello instanceof Buffer)) return 'unknown'
  const brokerId = field(hello, BROKER_ID_FIELD)
  // A number that is 0 is not written.
  if (brokerId === null) return 0
  return typeof brokerId === 'number' ? brokerId : 'unknown'
}

/** A varint or length-delimited field of a protobuf message; null when it is not there. */
function field(message: Buffer, wanted: number): number | Buffer | null {
  let at = 0
  const varint = (): number => {
    let value = 0
    let scale = 1
    for (;;) {
      const byte = message[at++] ?? 0
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value
      scale *= 128
    }
  }
  while (at < message.length) {
    const tag = varint()
    let value: number | Buffer
    if ((tag & 7) === 0) value = varint()
    else if ((tag & 7) === 2) {
      const length = varint()
      value = message.subarray(at, at + length)
      at += length
    } else return null
    if (tag >>> 3 === wanted) return value
  }
  return null
}
