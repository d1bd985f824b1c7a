/**
 * Raft messages as fields and payload: what is small goes into the header of a frame, batches and states go as they are.
 *
 * ```
 *  header   [ append A: 300 bytes ][ heartbeat B ][ append C: 4,000 bytes ] ...
 *  payload  [ A's batches ........ ][ C's batches .......................... ] ...
 * ```
 * Nothing of the payload is copied on either side. What is decoded is well-formed: its numbers are in range, and the
 * batches of an append are whole, undamaged (CRC) and continue one another from `prev` on. Bytes that say otherwise
 * throw {@link MalformedFrame}, never anything else; the frame codec turns that into an outcome.
 */
import { InvariantError, invariant, type stratalog } from '@stratalog/proto'
import { baseOffsetOf, iterateBatches, lastOffsetOf, sizeOf, verifyBatchCrc } from '@stratalog/proto/records'
import type { AppendMessage, Entry, Message } from 'raft-ts'
import { entriesIn } from '../replication/entry-codec.ts'
import { GroupKeyReader, GroupKeyWriter } from './group-key.ts'
import { MalformedFrame, wellFormed } from './malformed-frame.ts'
import { messageOf, type RaftFields } from './message-fields.ts'
import { fieldsOf } from './message-fields-writer.ts'

/** Messages ready for a frame. */
export interface EncodedMessages {
  readonly fields: stratalog.v1.RaftMessage.$Properties[]
  /** The very Buffers of the messages: they must not change until they are sent. */
  readonly payload: Buffer[]
}

/** Takes messages apart. Every entry of an append must carry its batch, stamped, as `data`. */
export function encodeMessages(messages: readonly Message<Buffer>[]): EncodedMessages {
  const groups = new GroupKeyWriter()
  const payload: Buffer[] = []
  const fields = messages.map((message) => {
    const payloadBytes = pushPayload(message, payload)
    return { ...groups.write(message.group), ...fieldsOf(message), payloadBytes }
  })
  return { fields, payload }
}

/**
 * Puts messages together again; Buffers in them are views of `payload`.
 *
 * Errors: MalformedFrame, for bytes that {@link encodeMessages} does not make.
 */
export function decodeMessages(fields: readonly RaftFields[], payload: Buffer): Message<Buffer>[] {
  const groups = new GroupKeyReader()
  let position = 0
  const messages = fields.map((each) => {
    const group = groups.read(each.topicId ?? NO_BYTES, each.partition ?? 0)
    wellFormed(group !== null, 'a message names no group')
    const end = position + (each.payloadBytes ?? 0)
    wellFormed(end <= payload.length, 'messages claim more payload than there is')
    const bytes = payload.subarray(position, end)
    position = end
    return messageOf(each, group, bytes, entriesOf)
  })
  wellFormed(position === payload.length, () => `${payload.length - position} bytes of payload belong to no message`)
  return messages
}

/** Bytes that a message adds to a queue, roughly but for its payload. */
export function messageSizeBytes(message: Message<Buffer>): number {
  switch (message.type) {
    case 'append': {
      let bytes = FIELDS_BYTES
      for (const entry of message.entries) bytes += entry.data?.length ?? 0
      return bytes
    }
    case 'forward-proposal':
      return FIELDS_BYTES + (message.data?.length ?? 0)
    case 'snapshot':
      return FIELDS_BYTES + (Buffer.isBuffer(message.snapshot.data) ? message.snapshot.data.length : 0)
    default:
      return FIELDS_BYTES
  }
}

const NO_BYTES: Uint8Array = new Uint8Array(0)
/** What the fields of a message come to in a header, as a rule. */
const FIELDS_BYTES = 48

function pushPayload(message: Message<Buffer>, payload: Buffer[]): number {
  switch (message.type) {
    case 'append': {
      let bytes = 0
      for (const entry of message.entries) {
        const batch = batchOf(entry)
        payload.push(batch)
        bytes += batch.length
      }
      return bytes
    }
    case 'forward-proposal':
      return pushData(message.data, payload)
    case 'snapshot':
      return pushData(message.snapshot.data, payload)
    default:
      return 0
  }
}

function pushData(data: unknown, payload: Buffer[]): number {
  if (data === null) return 0
  invariant(Buffer.isBuffer(data), 'data of a message is bytes')
  if (data.length > 0) payload.push(data)
  return data.length
}

/** The same is asked of the bytes on the other side: a batch that does not match its entry must never leave. */
function batchOf(entry: Entry<Buffer>): Buffer {
  const batch = entry.data
  invariant(batch !== null, () => `entry ${entry.base}..${entry.end} of kind ${entry.kind} is sent without its batch`)
  invariant(batch.length === sizeOf(batch, 0), 'data of an entry is one whole batch')
  invariant(
    baseOffsetOf(batch, 0) === entry.base && lastOffsetOf(batch, 0) + 1 === entry.end,
    () => `the batch of entry ${entry.base}..${entry.end} covers other offsets`,
  )
  return batch
}

/** The entries of an append, checked against its `prev` and terms. */
function entriesOf(append: Pick<AppendMessage<Buffer>, 'prev' | 'prevTerm' | 'term'>, bytes: Buffer): Entry<Buffer>[] {
  let end = append.prev
  let term = append.prevTerm
  wellFormed(term <= append.term, 'the term before the entries is later than their sender')
  try {
    for (const { position, header } of iterateBatches(bytes)) {
      wellFormed(header.baseOffset === end, () => `a batch begins at ${header.baseOffset} instead of ${end}`)
      wellFormed(header.lastOffset < Number.MAX_SAFE_INTEGER, 'a batch ends beyond 2^53')
      wellFormed(
        header.leaderEpoch >= term && header.leaderEpoch <= append.term && header.leaderEpoch > 0,
        () => `a batch of epoch ${header.leaderEpoch} follows ${term} in a message of term ${append.term}`,
      )
      wellFormed(verifyBatchCrc(bytes, position, header.sizeBytes), () => `the batch at ${end} does not match its CRC`)
      end = header.lastOffset + 1
      term = header.leaderEpoch
    }
    return entriesIn(bytes)
  } catch (error) {
    if (error instanceof InvariantError || error instanceof MalformedFrame) throw error
    throw new MalformedFrame(error instanceof Error ? error.message : String(error), { cause: error })
  }
}
