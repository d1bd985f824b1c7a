/** What a subscription in a group tells beside records, in addition to what every subscription tells. */
import type { StratalogError } from '@stratalog/client'
import type { TopicPartition } from '@stratalog/proto'
import type { SubscriptionEvents } from '../subscription-events.ts'

/** A record has been in hand for longer than `maxProcessingTimeMs`. */
export interface HandlerStalledEvent extends TopicPartition {
  readonly offset: number
  /** How long it has been in hand. */
  readonly forMs: number
}

/** Partitions are gone without having been given up. */
export interface LostEvent {
  readonly partitions: readonly TopicPartition[]
  readonly reason: StratalogError
}

/** Offsets could not be committed; what was processed since the last commit may come again. */
export interface CommitFailedEvent extends TopicPartition {
  readonly offset: number
  readonly error: StratalogError
}

/** A record was left out by `onError`: skipped, or put into a dead-letter topic. */
export interface PoisonedEvent extends TopicPartition {
  readonly offset: number
  readonly outcome: 'skipped' | 'dead-lettered'
  /** What the handler threw. */
  readonly error: unknown
}

/** Events by name, for EventEmitter's types. */
export interface GroupSubscriptionEvents extends SubscriptionEvents {
  /** After `onAssigned`. */
  assigned: [readonly TopicPartition[]]
  /** After `onRevoked`. */
  revoked: [readonly TopicPartition[]]
  /** After `onLost`. */
  lost: [LostEvent]
  handlerStalled: [HandlerStalledEvent]
  committed: [readonly (TopicPartition & { readonly offset: number })[]]
  commitFailed: [CommitFailedEvent]
  poisoned: [PoisonedEvent]
}
