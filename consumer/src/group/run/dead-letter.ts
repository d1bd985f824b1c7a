/**
 * A record that cannot be processed, put into another topic: key, value and headers as they are, and headers that say where
 * it came from and why.
 *
 * It goes as a plain record, in a unary call to the leader (the consumer needs no producer for it), acknowledged by a majority.
 * That call is not idempotent: after a failure whose outcome is unknown the record is sent again and may be there twice.
 */
import {
  backoffDelayMs,
  type Client,
  delay,
  isStratalogError,
  type PlainRecord,
  RETRY_BACKOFF,
} from '@stratalog/client'
import type { ConsumerRecord } from '../../consumer-record.ts'

/** Names of the headers that are added. */
export const DEAD_LETTER_HEADERS = {
  topic: 'stratalog.dead-letter.topic',
  partition: 'stratalog.dead-letter.partition',
  offset: 'stratalog.dead-letter.offset',
  /** ms since 1970, of the record. */
  timestamp: 'stratalog.dead-letter.timestamp',
  group: 'stratalog.dead-letter.group',
  attempts: 'stratalog.dead-letter.attempts',
  /** Code or name of what the handler threw. */
  error: 'stratalog.dead-letter.error',
  message: 'stratalog.dead-letter.message',
} as const

/** A message is for people: the rest of a long one is in the log of who threw it. */
const MESSAGE_LENGTH_MAX = 4_096

/** What a dead letter tells beside the record. */
export interface DeadLetterCause {
  readonly group: string
  readonly attempts: number
  readonly error: unknown
}

/** The record as it is put into the dead-letter topic. */
export function toDeadLetter<K, V>(record: ConsumerRecord<K, V>, cause: DeadLetterCause): PlainRecord {
  const { error } = cause
  const isError = error instanceof Error
  const texts: readonly (readonly [string, string])[] = [
    [DEAD_LETTER_HEADERS.topic, record.topic],
    [DEAD_LETTER_HEADERS.partition, String(record.partition)],
    [DEAD_LETTER_HEADERS.offset, String(record.offset)],
    [DEAD_LETTER_HEADERS.timestamp, String(record.timestamp)],
    [DEAD_LETTER_HEADERS.group, cause.group],
    [DEAD_LETTER_HEADERS.attempts, String(cause.attempts)],
    [DEAD_LETTER_HEADERS.error, isStratalogError(error) ? error.code : isError ? error.name : typeof error],
    [DEAD_LETTER_HEADERS.message, (isError ? error.message : String(error)).slice(0, MESSAGE_LENGTH_MAX)],
  ]
  return {
    key: record.rawKey,
    value: record.rawValue,
    headers: [
      ...record.headers.map(({ key, value }) => ({ key, value })),
      ...texts.map(([key, value]) => ({ key, value })),
    ],
  }
}

/** Sends it until it is acknowledged. Errors: final ones, such as UNKNOWN_TOPIC_OR_PARTITION; CANCELLED. */
export async function sendDeadLetter(
  client: Client,
  topic: string,
  record: PlainRecord,
  signal: AbortSignal,
): Promise<void> {
  for (let failureCount = 1; ; failureCount++) {
    try {
      const [ack] = await client.admin.produceRecords({ topic, records: [record] }, { signal })
      if (!ack?.error) return
      throw ack.error
    } catch (error) {
      if (!isStratalogError(error) || !error.retriable || signal.aborted) throw error
      await delay(backoffDelayMs(failureCount, RETRY_BACKOFF, Math.random), signal)
    }
  }
}
