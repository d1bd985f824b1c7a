/** The wire of the simulated network: the bytes of the real one, from Buffers of one side to Buffers of the other. */
import { invariant } from '@stratalog/proto'
import { decodeFrame, encodeFrame, FRAME_PREFIX_BYTES, type PeerFrame } from '../peer/frame-codec.ts'

/** The frame as the other side gets it. */
export function overTheWire(frame: PeerFrame): PeerFrame {
  const { head, payload } = encodeFrame(frame)
  const decoded = decodeFrame(Buffer.from(head.subarray(FRAME_PREFIX_BYTES)), Buffer.concat(payload))
  invariant(decoded.kind === 'frame', () => `a frame does not survive the wire: ${JSON.stringify(decoded)}`)
  return decoded.frame
}
