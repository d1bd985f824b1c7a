/**
 * Serialisers of the two messages that carry record batches, ProduceRequest and FetchResponse.
 *
 * The generated encoder would copy each payload twice into a growing buffer; here the small fields are encoded by the
 * generated code and the payload bytes are referenced, as the last field of their message, in a GatheredMessage.
 * The bytes are plain protobuf (field order is free on the wire), so the generated decoder reads them; decoded
 * payloads are views of the received message, never copies.
 */
import { stratalog } from '../../generated/messages.js'
import { GatheredMessage } from './gathered-message.ts'

const WIRE_TYPE_BYTES = 2
const PRODUCE_REQUEST_BATCHES = 3
const PRODUCE_BATCH_RECORD_BATCH = 4
const FETCH_RESPONSE_DATA = 1
const FETCH_DATA_RECORD_BATCHES = 3

/** Serialises a ProduceRequest without copying its record batches. They must not change until the write is done. */
export function gatherProduceRequest(request: stratalog.v1.ProduceRequest.$Properties): GatheredMessage {
  const { batches, ...rest } = request
  const pieces: Uint8Array[] = [stratalog.v1.ProduceRequest.encode(rest).finish()]
  for (const batch of batches ?? []) {
    const { recordBatch, ...fields } = batch
    const head = stratalog.v1.ProduceBatch.encode(fields).finish()
    pushNested(pieces, PRODUCE_REQUEST_BATCHES, head, PRODUCE_BATCH_RECORD_BATCH, recordBatch ?? null)
  }
  return new GatheredMessage(pieces)
}

/** Serialises a FetchResponse without copying its record batches. They must not change until the write is done. */
export function gatherFetchResponse(response: stratalog.v1.FetchResponse.$Properties): GatheredMessage {
  const pieces: Uint8Array[] = []
  for (const data of response.data ?? []) {
    const { recordBatches, ...fields } = data
    const head = stratalog.v1.FetchData.encode(fields).finish()
    pushNested(pieces, FETCH_RESPONSE_DATA, head, FETCH_DATA_RECORD_BATCHES, recordBatches ?? null)
  }
  return new GatheredMessage(pieces)
}

/** One element of a repeated message field: its length, its small fields, and the payload as a bytes field. */
function pushNested(
  pieces: Uint8Array[],
  field: number,
  head: Uint8Array,
  payloadField: number,
  payload: Uint8Array | null,
): void {
  const payloadBytes = payload?.length ?? 0
  const payloadTagBytes = payloadBytes === 0 ? 0 : 1 + varintBytes(payloadBytes)
  const nestedBytes = head.length + payloadTagBytes + payloadBytes
  const prefix = Buffer.allocUnsafe(1 + varintBytes(nestedBytes) + head.length + payloadTagBytes)
  let position = writeTag(prefix, 0, field)
  position = writeVarint(prefix, position, nestedBytes)
  prefix.set(head, position)
  position += head.length
  if (payload !== null && payloadBytes > 0) {
    position = writeTag(prefix, position, payloadField)
    writeVarint(prefix, position, payloadBytes)
    pieces.push(prefix, payload)
  } else {
    pieces.push(prefix)
  }
}

function writeTag(target: Buffer, position: number, field: number): number {
  target[position] = (field << 3) | WIRE_TYPE_BYTES
  return position + 1
}

function varintBytes(value: number): number {
  let bytes = 1
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) bytes++
  return bytes
}

function writeVarint(target: Buffer, start: number, value: number): number {
  let position = start
  let rest = value
  while (rest >= 128) {
    target[position++] = (rest % 128) | 128
    rest = Math.floor(rest / 128)
  }
  target[position++] = rest
  return position
}
