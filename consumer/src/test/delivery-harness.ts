/** A core and a delivery fed by hand, without streams: for tests of what lies between buffered bytes and records. */
import { type CompressionName, RecordBatchBuilder, stampBatch } from '@stratalog/proto/records'
import { Delivery, type DeliveryOptions } from '../delivery.ts'
import type { PartitionState } from '../partition-state.ts'
import type { PullSource } from '../pull-iterator.ts'
import { SubscriptionState } from '../subscription-state.ts'

/** A batch of `count` records whose values are their offsets as text; keys are null. */
export function batchOf(baseOffset: number, count: number, codec: CompressionName = 'none', padding = ''): Buffer {
  const builder = new RecordBatchBuilder({ codec })
  for (let index = 0; index < count; index++) {
    builder.append({ value: `${baseOffset + index}${padding}`, timestamp: 1_000 + index })
  }
  const bytes = builder.buildSync()
  stampBatch(bytes, 0, baseOffset, 3)
  return bytes
}

/** See the file's header. */
export class DeliveryHarness<K = Buffer, V = Buffer> {
  readonly core: SubscriptionState
  readonly delivery: Delivery<K, V>
  readonly source: PullSource<K, V>
  readonly skipped: number[] = []

  constructor(options: Partial<DeliveryOptions<K, V>> = {}) {
    this.core = new SubscriptionState(
      { prefetchBytesMax: 1e9, partitionCreditBytes: 1e9 },
      { onCommands: () => {}, onReady: (partition) => this.delivery.onReady(partition) },
    )
    const defaults: DeliveryOptions<K, V> = {
      keyDeserializer: null,
      valueDeserializer: null,
      onDeserializationError: 'fail',
      verifyCrc: true,
    }
    this.delivery = new Delivery<K, V>(this.core, { ...defaults, ...options }, (error) => {
      this.skipped.push(Number(error.metadata['offset']))
    })
    const { delivery } = this
    this.source = { delivery, signal: delivery.signal, acquire: () => delivery.acquire() }
  }

  /** Adds partition number `partition` and attaches it. */
  add(partition: number, endOffset: number | null = null, offset = 0): PartitionState {
    const bounds = { logStartOffset: 0, highWatermark: 0, visibleEnd: 0 }
    const state = this.core.add({ topic: 't', partition, topicId: Buffer.alloc(16), offset, endOffset, bounds })
    if (state.phase === 'detached') this.core.attach(state, 1)
    return state
  }

  /** As if a fetch answer had brought these bytes. */
  feed(state: PartitionState, bytes: Buffer, nextOffset: number): void {
    this.core.receive({ handle: state.handle ?? 0, nextOffset }, bytes)
  }

  /** Seeks and attaches again. */
  seek(state: PartitionState, offset: number): void {
    this.core.beginSeek(state)
    this.core.endSeek(state, offset)
    this.core.attach(state, 1)
  }
}
