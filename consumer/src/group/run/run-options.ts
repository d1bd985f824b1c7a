/** What `run` takes: handler, concurrency, order, and what becomes of a record that the handler throws for. */
import { checkedChoice, checkedInteger, invalidOption, type NumberRange } from '@stratalog/client'
import type { ConsumerRecord } from '../../consumer-record.ts'

/** What a handler may want to know beside the record. */
export interface HandlerContext {
  /** 1 = the first time. Counted by this `run`: a record may have been handled before, by another member. */
  readonly attempt: number
  /** Aborted when the partition is lost to another member: what the handler does is in vain. */
  readonly signal: AbortSignal
}

/** Processes one record. */
export type RecordHandler<K, V> = (record: ConsumerRecord<K, V>, context: HandlerContext) => void | Promise<void>

/**
 * Puts a record that cannot be processed elsewhere; when it resolves the record counts as processed. Called again after
 * a failure that waiting mends, so the same record may be put twice.
 */
export type DeadLetterSend<K, V> = (record: ConsumerRecord<K, V>, cause: unknown) => Promise<void>

/** How often and at what distance a handler is tried again. */
export interface RetryPolicy {
  /** Attempts in all, the first included; 2..1,000,000. */
  readonly attempts: number
  /** Longest wait after the first attempt, doubling from one to the next; 1..3,600,000 ms, default 100. */
  readonly initialBackoffMs?: number | undefined
  /** Longest wait ever; 1..3,600,000 ms, default 10,000. */
  readonly maxBackoffMs?: number | undefined
}

/**
 * What becomes of a record that cannot be processed: `fail` ends the run, `skip` leaves it out, `deadLetter` puts it, with
 * key, value, headers and the cause in further headers, into a topic, or hands it to a function.
 */
export type FinalPolicy<K, V> = 'fail' | 'skip' | { readonly deadLetter: string | DeadLetterSend<K, V> }

/** A final policy, or attempts before one (`otherwise`; default `fail`). */
export type ErrorPolicy<K, V> =
  | FinalPolicy<K, V>
  | { readonly retry: RetryPolicy; readonly otherwise?: FinalPolicy<K, V> | undefined }

/** How records are run through a handler. */
export interface RunOptions<K = Buffer, V = Buffer> {
  readonly handler: RecordHandler<K, V>
  /** Handlers under way at a time, 1..10,000, default 1. */
  readonly concurrency?: number | undefined
  /**
   * `key` (the default): records with the same key one after another in order of offset, records without a key in any
   * order. `partition`: all records of a partition one after another.
   */
  readonly order?: 'key' | 'partition' | undefined
  /** Records taken from the subscription that are not done with, waiting ones included; default 8 for each handler, at least 64. */
  readonly inFlightMax?: number | undefined
  /** Default `fail`. */
  readonly onError?: ErrorPolicy<K, V> | undefined
  /** Ends the run with CANCELLED when what is in hand is done with; the subscription stays open. */
  readonly signal?: AbortSignal | undefined
}

/** Options with defaults filled in and checked. */
export interface ResolvedRunOptions<K, V> {
  readonly handler: RecordHandler<K, V>
  readonly concurrency: number
  readonly order: 'key' | 'partition'
  readonly inFlightMax: number
  /** 1 = no retry. */
  readonly attempts: number
  readonly initialBackoffMs: number
  readonly maxBackoffMs: number
  readonly final: FinalPolicy<K, V>
  readonly signal: AbortSignal | undefined
}

const CONCURRENCY: NumberRange = { default: 1, min: 1, max: 10_000 }
const ATTEMPTS: NumberRange = { default: 1, min: 2, max: 1_000_000 }
const INITIAL_BACKOFF_MS: NumberRange = { default: 100, min: 1, max: 3_600_000 }
const MAX_BACKOFF_MS: NumberRange = { default: 10_000, min: 1, max: 3_600_000 }

/** Fills in defaults and checks. Errors: INVALID_CONFIG naming the option, its value and what is allowed. */
export function resolveRunOptions<K, V>(options: RunOptions<K, V>): ResolvedRunOptions<K, V> {
  const { handler, onError = 'fail', signal } = options
  if (typeof handler !== 'function') throw invalidOption('handler', handler, 'a function')
  const concurrency = checkedInteger('concurrency', options.concurrency, CONCURRENCY)
  const inFlight: NumberRange = { default: Math.max(64, 8 * concurrency), min: concurrency, max: 100_000 }
  const retry = typeof onError === 'object' && 'retry' in onError ? onError.retry : null
  const final = typeof onError === 'object' && 'retry' in onError ? (onError.otherwise ?? 'fail') : onError
  return {
    handler,
    concurrency,
    order: checkedChoice('order', options.order, ['key', 'partition'], 'key'),
    inFlightMax: checkedInteger('inFlightMax', options.inFlightMax, inFlight),
    attempts: retry === null ? 1 : checkedInteger('onError.retry.attempts', retry.attempts, ATTEMPTS),
    initialBackoffMs: checkedInteger('onError.retry.initialBackoffMs', retry?.initialBackoffMs, INITIAL_BACKOFF_MS),
    maxBackoffMs: checkedInteger('onError.retry.maxBackoffMs', retry?.maxBackoffMs, MAX_BACKOFF_MS),
    final: checkedFinal(final),
    signal,
  }
}

function checkedFinal<K, V>(final: FinalPolicy<K, V>): FinalPolicy<K, V> {
  if (final === 'fail' || final === 'skip') return final
  const deadLetter = final?.deadLetter
  const isTopic = typeof deadLetter === 'string' && deadLetter !== ''
  if (isTopic || typeof deadLetter === 'function') return final
  throw invalidOption(
    'onError',
    JSON.stringify(final),
    'fail, skip, {deadLetter: topic or function} or {retry, otherwise}',
  )
}
