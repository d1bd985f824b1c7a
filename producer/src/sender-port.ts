/** What the sender needs from outside: time, metadata, streams. The producer gives the real ones, a simulation others. */
import type { BrokerAddress, WriteListeners } from '@stratalog/client'
import type { StratalogError, stratalog } from '@stratalog/proto'

/** Where a partition's batches go, as far as is known without asking. */
export type LeaderLookup =
  | {
      readonly kind: 'leader'
      readonly broker: BrokerAddress
      /** Term of the leader: another one says that there was an election. */
      readonly leaderEpoch: number
      readonly topicId: Uint8Array
    }
  | { readonly kind: 'unknown' }
  /** The topic is known and has no such partition. */
  | { readonly kind: 'missing'; readonly error: StratalogError }

/** A stream of batches to one broker. */
export interface ProduceStream {
  /** Takes the message; false when no more should come before `onDrain`. Listeners are called later. */
  readonly write: (
    message: stratalog.v1.ProduceRequest.$Properties,
    bytes: number,
    listeners: WriteListeners,
  ) => boolean
  /** Says that no more comes; `onEnd` follows when the broker has taken all of it. */
  readonly end: () => void
  /** Ends it; no handler is called any more. */
  readonly close: (options: { readonly discardConnection: boolean }) => void
}

/** What happens on a produce stream. */
export interface ProduceHandlers {
  readonly onMessage: (message: stratalog.v1.ProduceResponse.$Properties) => void
  readonly onDrain: () => void
  readonly onEnd: (error: StratalogError | null) => void
}

/** See the head of this file. */
export interface SenderPort {
  /** ms since 1970. */
  readonly now: () => number
  /** Calls back in a later turn of the event loop. */
  readonly soon: (callback: () => void) => void
  /** Calls back once after `ms`, unless the function returned is called first. */
  readonly after: (ms: number, callback: () => void) => () => void
  /** Uniform in [0, 1). */
  readonly random: () => number
  readonly leaderOf: (topic: string, partition: number) => LeaderLookup
  /** Asks for the topic again. `null`, or why it could not be described. Never rejects; spaces failures out. */
  readonly refresh: (topic: string) => Promise<StratalogError | null>
  /** Takes note of the leader that an error named. Returns whether that is news worth trying. */
  readonly applyLeader: (error: StratalogError) => boolean
  /** Connects to those that may lead the partition next, so that this need not be waited for once one does. */
  readonly prepare: (topic: string, partition: number) => void
  readonly openStream: (broker: BrokerAddress, handlers: ProduceHandlers) => ProduceStream
}
