/**
 * What the clients of a simulation did and saw, in the format of the benchmark package's history checker.
 *
 * A value is (producer, partition, sequence); partitions are numbered over all topics. `at` is virtual ms.
 */

interface Values {
  readonly at: number
  readonly producer: number
  readonly partition: number
  readonly first: number
  readonly count: number
}

/** An event of a client. */
export type ClientEvent =
  | (Values & { readonly kind: 'invoke' })
  | (Values & {
      readonly kind: 'ok'
      readonly offset: number
      readonly acks: 'all'
      readonly durability: string
    })
  | (Values & { readonly kind: 'info'; readonly error: string })
  | {
      readonly kind: 'poll'
      readonly at: number
      readonly consumer: number
      readonly partition: number
      readonly epoch: number
      readonly runs: readonly (readonly [offset: number, producer: number, first: number, count: number])[]
    }
  | {
      readonly kind: 'strange'
      readonly at: number
      readonly consumer: number
      readonly partition: number
      readonly offset: number
      readonly reason: string
    }
  | {
      readonly kind: 'place'
      readonly at: number
      readonly consumer: number
      readonly partition: number
      readonly offset: number
    }
  | {
      readonly kind: 'final'
      readonly at: number
      readonly partition: number
      readonly visibleEnd: number
      readonly highWatermark: number
    }

/** Receives the events in the order in which they happen. */
export type ClientHistory = (event: ClientEvent) => void

const VALUE_PATTERN = /^(\d+)\/(\d+)\/(\d+) *$/

/** What a value says of itself. */
export interface ValueName {
  readonly producer: number
  readonly partition: number
  readonly sequence: number
}

/** The bytes of a value: its name, padded. */
export function encodeValueName({ producer, partition, sequence }: ValueName, sizeBytes: number): Buffer {
  return Buffer.from(`${producer}/${partition}/${sequence}`.padEnd(sizeBytes))
}

/** The name in a value's bytes; null when there is none. */
export function decodeValueName(bytes: Uint8Array | null): ValueName | null {
  const match = bytes === null ? null : VALUE_PATTERN.exec(Buffer.from(bytes).toString())
  if (match === null) return null
  const [, producer, partition, sequence] = match.map(Number)
  return { producer: producer!, partition: partition!, sequence: sequence! }
}
