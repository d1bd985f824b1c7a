/** The sender's port on a real client: the process's clock and timers, the metadata cache, gRPC streams. */
import type { BrokerAddress, Client } from '@stratalog/client'
import { ProduceService, StratalogError } from '@stratalog/proto'
import type { LeaderLookup, ProduceHandlers, ProduceStream, SenderPort } from './sender-port.ts'

/** See the head of this file. Timers hold the process open, as something is outstanding while there are any. */
export class ProducerPort implements SenderPort {
  readonly random: () => number = Math.random
  readonly #client: Client
  readonly #timers = new Set<NodeJS.Timeout>()

  constructor(client: Client) {
    this.#client = client
  }

  now(): number {
    return Date.now()
  }

  soon(callback: () => void): void {
    setImmediate(callback)
  }

  after(ms: number, callback: () => void): () => void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      callback()
    }, ms)
    this.#timers.add(timer)
    return () => {
      clearTimeout(timer)
      this.#timers.delete(timer)
    }
  }

  leaderOf(topic: string, partition: number): LeaderLookup {
    const known = this.#client.metadata.peek(topic)
    if (known === undefined) return { kind: 'unknown' }
    const entry = known.partitions[partition]
    if (entry === undefined) {
      const message = `topic ${topic} has ${known.partitions.length} partitions by now; there is no partition ${partition}`
      const error = new StratalogError('UNKNOWN_TOPIC_OR_PARTITION', message, { topic, partition })
      return { kind: 'missing', error }
    }
    const { leader: broker, leaderEpoch } = entry
    return broker === null ? { kind: 'unknown' } : { kind: 'leader', broker, leaderEpoch, topicId: known.topicId }
  }

  async refresh(topic: string): Promise<StratalogError | null> {
    const { metadata } = this.#client
    try {
      await metadata.refresh([topic])
    } catch (error) {
      return error instanceof StratalogError ? error : new StratalogError('UNKNOWN_SERVER_ERROR', String(error))
    }
    return metadata.peek(topic) === undefined ? metadata.peekError(topic) : null
  }

  applyLeader(error: StratalogError): boolean {
    const { leader, topic, partition } = error
    if (leader === null || leader.host === null || leader.port === null || topic === null || partition === null)
      return false
    const broker = { brokerId: leader.leaderId, host: leader.host, port: leader.port }
    return this.#client.metadata.applyLeader(topic, partition, { leader: broker, leaderEpoch: leader.leaderEpoch })
  }

  prepare(topic: string, partition: number): void {
    const { metadata } = this.#client
    const replicas = metadata.peek(topic)?.partitions[partition]?.replicas ?? []
    for (const broker of metadata.brokers) {
      if (broker.brokerId !== null && replicas.includes(broker.brokerId)) this.#client.prepare(broker, 'produce')
    }
  }

  openStream(broker: BrokerAddress, handlers: ProduceHandlers): ProduceStream {
    try {
      return this.#client.openStream(ProduceService.produceStream, broker, 'produce', handlers)
    } catch (error) {
      const reason = error instanceof StratalogError ? error : new StratalogError('UNKNOWN_SERVER_ERROR', String(error))
      this.soon(() => handlers.onEnd(reason))
      return { write: () => false, end: () => {}, close: () => {} }
    }
  }

  /** Cancels all timers. */
  close(): void {
    for (const timer of this.#timers) clearTimeout(timer)
    this.#timers.clear()
  }
}
