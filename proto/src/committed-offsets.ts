/**
 * `committed-offset-checkpoint`: how far the copies in a data folder are known to be committed, for those who read the
 * folder without its broker.
 *
 * Text in the manner of Kafka's `replication-offset-checkpoint`: a version, the number of lines, and a line for each copy:
 * ```
 *  0
 *  1
 *  orders 6f1d2c3b4a5968778695a4b3c2d1e0f0 3 1000 52000        topic, topic id, partition, log start, committed end
 * ```
 * What is committed never changes, so a line stays true for ever: it may lag, and the log may begin later by now, or be
 * a younger, shorter copy. A reader takes the lesser of the committed end and the end of what is sound in the files.
 */
import { invariant } from './invariant.ts'

/** Its name in the data folder. */
export const COMMITTED_OFFSETS_FILE = 'committed-offset-checkpoint'

/** What is known of one copy. */
export interface CommittedOffsets {
  readonly topic: string
  /** 32 hexadecimal digits: a folder of another topic of that name is not meant. */
  readonly topicId: string
  readonly partition: number
  /** First offset that can be read, at most `committedEnd`. */
  readonly logStartOffset: number
  /** Exclusive. */
  readonly committedEnd: number
}

const VERSION = '0'
const LINE = /^(\S+) ([0-9a-f]{32}) (\d{1,10}) (\d{1,16}) (\d{1,16})$/

/** One line, without its end. */
export function encodeCommittedOffsetsLine(offsets: CommittedOffsets): string {
  const { topic, topicId, partition, logStartOffset, committedEnd } = offsets
  invariant(logStartOffset <= committedEnd, 'a log begins where it ends, at the latest')
  return `${topic} ${topicId} ${partition} ${logStartOffset} ${committedEnd}`
}

/** The file's bytes. @param lines of {@link encodeCommittedOffsetsLine}. */
export function encodeCommittedOffsets(lines: Iterable<string>): Buffer {
  const all = [...lines]
  return Buffer.from([VERSION, String(all.length), ...all, ''].join('\n'))
}

/** Parses the file; null when it is not whole and well-formed, as a host that lost power may leave it. */
export function decodeCommittedOffsets(bytes: Uint8Array): CommittedOffsets[] | null {
  const lines = Buffer.from(bytes).toString('utf8').split('\n')
  const [version, count] = lines
  // What follows the last line's end is the empty string.
  if (version !== VERSION || Number(count) !== lines.length - 3 || lines.at(-1) !== '') return null
  const all: CommittedOffsets[] = []
  for (const line of lines.slice(2, -1)) {
    const offsets = decodeLine(line)
    if (offsets === null) return null
    all.push(offsets)
  }
  return all
}

function decodeLine(line: string): CommittedOffsets | null {
  const match = LINE.exec(line)
  if (match === null) return null
  const [, topic, topicId, ...numbers] = match
  const [partition, logStartOffset, committedEnd] = numbers.map(Number)
  if (topic === undefined || topicId === undefined) return null
  if (partition === undefined || logStartOffset === undefined || committedEnd === undefined) return null
  const isSound = Number.isSafeInteger(committedEnd) && logStartOffset <= committedEnd && partition <= 0x7fff_ffff
  return isSound ? { topic, topicId, partition, logStartOffset, committedEnd } : null
}
