/** What a broker process of a failure run is told, and tells: over Node's channel to the run. */
import type { DiskFaults, PowerLossReport } from '@stratalog/broker/testing'

/** Its only argument, as JSON. */
export interface BrokerSpec {
  /** Settings of docs/config.md. */
  readonly settings: Readonly<Record<string, string>>
  /** Set: the disk loses what is not synced when the power goes; the folder keeps what is removed meanwhile. */
  readonly atticDir: string | null
  /** In force from the start. */
  readonly diskFaults: DiskFaults
}

/** To the broker. */
export type BrokerOrder =
  | { readonly kind: 'disk'; readonly faults: DiskFaults }
  /** Cuts the power; the process ends by itself. */
  | { readonly kind: 'power-loss'; readonly seed: number }

/** From the broker. */
export type BrokerNews =
  | { readonly kind: 'ready' }
  | { readonly kind: 'failed'; readonly code: string; readonly message: string }
  /** The faults of the last `disk` order are in force. */
  | { readonly kind: 'disk-set' }
  | { readonly kind: 'power-lost'; readonly report: PowerLossReport }
