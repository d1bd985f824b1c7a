/** What a subscription tells beside records. All events are for people and metrics: the consumer acts by itself. */
import type { StratalogError } from '@stratalog/client'
import type { TopicPartition } from '@stratalog/proto'

/** Nothing was heard for `stallTimeoutMs`, and it went on waiting: on a new connection if there was one. */
export interface StalledEvent {
  /** `host:port`, or null when there is no leader to connect to. */
  readonly broker: string | null
  /** Who waits. */
  readonly partitions: readonly TopicPartition[]
  readonly silentMs: number
  /** Of code STALLED, with the last failure as its cause. */
  readonly error: StratalogError
}

/** The out-of-range policy moved a partition. */
export interface ResetEvent extends TopicPartition {
  /** The offset that did not exist. */
  readonly from: number
  /** Where it goes on. */
  readonly to: number
  /** What would have been thrown under policy `fail`. */
  readonly error: StratalogError
}

/** A stream to a broker was lost; another attempt follows by itself. */
export interface DisconnectedEvent {
  /** `host:port`. */
  readonly broker: string
  /** null = the broker ended it in order. */
  readonly error: StratalogError | null
}

/** A broker has answered on a new stream. */
export interface ConnectedEvent {
  /** `host:port`. */
  readonly broker: string
}

/** Events by name, for EventEmitter's types. */
export interface SubscriptionEvents {
  stalled: [StalledEvent]
  reset: [ResetEvent]
  disconnected: [DisconnectedEvent]
  connected: [ConnectedEvent]
  /** `onDeserializationError: 'skip'` left a record out: SERIALIZATION_FAILED with topic, partition and offset. */
  skipped: [StratalogError]
}

/** Tells an event; the subscription's `emit`. */
export type EmitEvent<Events extends Record<keyof Events, unknown[]> = SubscriptionEvents> = <
  Name extends keyof Events,
>(
  name: Name,
  ...event: Events[Name]
) => void
