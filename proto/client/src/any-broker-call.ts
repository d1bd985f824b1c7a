/**
 * A call that any broker can answer, made so that one that is down or silent does not hold it up: the brokers are tried
 * in turn, the next one as soon as one fails or has been silent for a moment, and the first answer counts.
 *
 * Invariant: a call that changes something is under way at one broker at most; only connecting goes on at several, and
 * another is asked after an answer only if the broker certainly did nothing.
 */
import { StratalogError } from '@stratalog/proto'
import { abortError, onAbort } from './abort.ts'
import type { BrokerAddress } from './address.ts'
import type { CallFailure } from './unary-call.ts'

/** The answer, or how the call failed. */
export type CallOutcome<T> = { readonly response: T } | CallFailure

/**
 * One attempt at one broker. Never rejects.
 *
 * @param mayBegin asked once when the broker is connected; if false the attempt must end without sending anything.
 */
export type Attempt<T> = (
  broker: BrokerAddress,
  signal: AbortSignal,
  mayBegin: () => boolean,
) => Promise<CallOutcome<T>>

/** How attempts relate to each other. */
export interface AnyBrokerOptions {
  /** Whether several brokers may carry the call out. */
  readonly repeatable: boolean
  /** Whether another broker may do better after this failure. */
  readonly mayTryAnother: (failure: CallFailure) => boolean
  readonly signal: AbortSignal
}

/** Silence after which the next broker is asked as well. */
const SILENCE_MS = 400

/** See the file's header. @param brokers in the order in which they are asked; each once, at least one. */
export function callAnyBroker<T>(
  brokers: readonly BrokerAddress[],
  attempt: Attempt<T>,
  options: AnyBrokerOptions,
): Promise<CallOutcome<T> & { readonly broker?: BrokerAddress }> {
  const { repeatable, mayTryAnother, signal } = options
  const losing = new AbortController()
  const stopListening = onAbort(signal, () => losing.abort(abortError(signal)))
  return new Promise((resolve) => {
    let nextIndex = 0
    let runningCount = 0
    let hasBegun = false
    let isDone = false
    let failure: CallFailure = { error: new StratalogError('BROKER_NOT_AVAILABLE'), sent: false }
    let timer: NodeJS.Timeout | undefined
    const finish = (outcome: CallOutcome<T>, broker?: BrokerAddress): void => {
      isDone = true
      clearTimeout(timer)
      stopListening()
      losing.abort(new StratalogError('CANCELLED', 'another broker has answered'))
      resolve(broker === undefined ? outcome : { ...outcome, broker })
    }
    const mayBegin = (): boolean => {
      if (isDone || (hasBegun && !repeatable)) return false
      hasBegun = true
      return true
    }
    const startNext = (): void => {
      clearTimeout(timer)
      const broker = brokers[nextIndex]
      if (isDone || broker === undefined || (hasBegun && !repeatable)) return
      nextIndex++
      runningCount++
      if (nextIndex < brokers.length) timer = setTimeout(startNext, SILENCE_MS)
      void run(broker)
    }
    const run = async (broker: BrokerAddress): Promise<void> => {
      const outcome = await attempt(broker, losing.signal, mayBegin)
      runningCount--
      if (isDone) return
      if ('response' in outcome) {
        finish(outcome, broker)
        return
      }
      // An attempt that might not begin says nothing of the call.
      if (outcome.error.code !== 'CANCELLED' || signal.aborted) {
        failure = outcome
        if (!mayTryAnother(outcome)) {
          finish(outcome)
          return
        }
        if (outcome.sent) hasBegun = false
      }
      startNext()
      if (runningCount === 0) finish(failure)
    }
    startNext()
  })
}
