/**
 * `committed-offset-checkpoint`: what a broker knew to be committed of each partition in its data folder, for those who
 * read the folder without it.
 *
 * Text: a line `0` (the version), a line with the number of entries, then a line each of topic, topic id (32 hexadecimal
 * digits), partition, log start offset and committed end, separated by spaces. It may lag, it never leads: what it says
 * is committed is on that disk. The form is that of Kafka's checkpoint files, with two columns more.
 */

/** Name of the file in the data folder. */
export const COMMITTED_OFFSETS_FILE = 'committed-offset-checkpoint'

/** What is known of one partition. */
export interface CommittedOffsets {
  readonly topic: string
  /** 32 hexadecimal digits. */
  readonly topicId: string
  readonly partition: number
  /** First offset that can be read. */
  readonly logStartOffset: number
  /** Exclusive; at least `logStartOffset`. */
  readonly committedEnd: number
}

const LINE = /^(\S{1,249}) ([0-9a-f]{32}) (\d{1,10}) (\d{1,16}) (\d{1,16})$/

/** The file's bytes. */
export function encodeCommittedOffsets(entries: readonly CommittedOffsets[]): Buffer {
  const lines = entries.map(
    ({ topic, topicId, partition, logStartOffset, committedEnd }) =>
      `${topic} ${topicId} ${partition} ${logStartOffset} ${committedEnd}`,
  )
  return Buffer.from(`${['0', String(entries.length), ...lines].join('\n')}\n`)
}

/** Parses the file; null when it is not what {@link encodeCommittedOffsets} writes. */
export function decodeCommittedOffsets(bytes: Buffer): CommittedOffsets[] | null {
  const text = bytes.toString('utf8')
  if (!text.endsWith('\n')) return null
  const [version, count, ...lines] = text.slice(0, -1).split('\n')
  if (version !== '0' || count !== String(lines.length)) return null
  const entries: CommittedOffsets[] = []
  for (const line of lines) {
    const match = LINE.exec(line)
    if (match === null) return null
    const entry = {
      topic: match[1]!,
      topicId: match[2]!,
      partition: Number(match[3]),
      logStartOffset: Number(match[4]),
      committedEnd: Number(match[5]),
    }
    if (!Number.isSafeInteger(entry.committedEnd) || entry.logStartOffset > entry.committedEnd) return null
    entries.push(entry)
  }
  return entries
}
