/**
 * What a broker process tells the process that started it, over Node's channel between the two.
 *
 * The channel also binds their lives: a broker whose channel closes stops, so that no broker outlives a starter that
 * was killed.
 */
import type { Failure } from '../output/failure.ts'

/** Sent once, when the broker serves or cannot. */
export type BrokerMessage =
  | { readonly kind: 'ready'; readonly brokerId: number; readonly host: string; readonly port: number }
  | { readonly kind: 'failed'; readonly failure: Failure }

/** Tells the starter, if there is one that listens. */
export function tellStarter(message: BrokerMessage): void {
  process.send?.(message)
}

/** Resolves when the starter is gone; never, if there is none. */
export function starterGone(): Promise<void> {
  return new Promise((resolve) => {
    if (process.channel !== undefined) process.once('disconnect', () => resolve())
  })
}
