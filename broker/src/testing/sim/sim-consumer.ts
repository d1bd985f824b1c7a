/** A consumer of one partition: reads on and on from where it stands, from whoever leads. */
import { StratalogError } from '@stratalog/proto'
import { decodeBatchSync, sizeOf } from '@stratalog/proto/records'
import { connect } from './client-link.ts'
import type { ClientPartition, Clients } from './clients.ts'
import { decodeValueName } from './history.ts'
import { seeBatch } from './log-image.ts'

interface Answer {
  readonly bytes: Buffer | null
  readonly nextOffset: number
}

const READ_BYTES_MAX = 64 * 1024
const TIMEOUT_MS = 3000
/** So many offsets at once are a sign of more. */
const BEHIND_OFFSETS = 10

/** See the file's header. */
export class SimConsumer {
  readonly partition: ClientPartition
  /** Offset that it reads next. */
  position = 0
  readonly #clients: Clients
  readonly #id: number
  #leader: number
  #closed = false

  constructor(clients: Clients, partition: ClientPartition, id: number) {
    this.#clients = clients
    this.partition = partition
    this.#id = id
    this.#leader = clients.anyBroker()
    const { world } = clients
    clients.tell(partition, { kind: 'place', at: world.now, consumer: id, partition: partition.number, offset: 0 })
    this.#plan()
  }

  close(): void {
    this.#closed = true
  }

  #plan(): void {
    this.#clients.world.after(this.#clients.readPauseMs(), () => {
      if (!this.#closed) this.#read()
    })
  }

  #read(): void {
    const { topic, topicId, partition } = this.partition
    const { observer, link } = this.#clients
    const from = this.position
    link.call<Answer | StratalogError>({
      brokerId: this.#leader,
      connection: connect(),
      timeoutMs: TIMEOUT_MS,
      ask: (core, respond) => {
        const { current } = this.#clients.world
        const place = core.registry.get(topic, partition, topicId)
        if (place instanceof StratalogError) {
          respond(place)
          return
        }
        place.read(from, READ_BYTES_MAX).then(
          ({ bytes, nextOffset }) => {
            if (bytes !== null) observer.read(current!.brokerId, place, bytes)
            respond({ bytes, nextOffset })
          },
          (error: unknown) => {
            if (!(error instanceof StratalogError)) throw error
            respond(error)
          },
        )
      },
      answered: (answer) => {
        if (this.#closed) return
        const before = this.position
        if (answer === null || answer instanceof StratalogError) this.#refused(answer)
        else this.#take(answer)
        // One that has fallen behind does not wait.
        if (this.position - before >= BEHIND_OFFSETS && !this.#closed) this.#read()
        else this.#plan()
      },
    })
  }

  #refused(error: StratalogError | null): void {
    this.#clients.count(error?.code ?? 'NO_ANSWER')
    if (this.#clients.isGone(this.partition)) this.close()
    else this.#leader = error?.leader?.leaderId ?? this.#clients.leaderOf(this.partition) ?? this.#clients.anyBroker()
  }

  #take({ bytes, nextOffset }: Answer): void {
    if (bytes !== null) {
      for (let at = 0; at < bytes.length; at += sizeOf(bytes, at)) {
        const batch = seeBatch(bytes, at)
        // The batch that holds the position may begin before it.
        if (batch.end <= this.position) continue
        this.#tell(batch.epoch, bytes, at)
      }
    }
    this.position = Math.max(this.position, nextOffset)
  }

  #tell(epoch: number, bytes: Buffer, position: number): void {
    const { number: partition } = this.partition
    const event = { at: this.#clients.world.now, consumer: this.#id, partition }
    const runs: Run[] = []
    const reader = decodeBatchSync(bytes, position)
    for (let record = reader.next(); record !== null; record = reader.next()) {
      const { offset } = record
      if (offset < this.position) continue
      const name = decodeValueName(record.value)
      if (name !== null && name.partition === partition) runs.push([offset, name.producer, name.sequence, 1])
      else this.#clients.tell(this.partition, { kind: 'strange', ...event, offset, reason: 'a value of nobody' })
    }
    this.#clients.tell(this.partition, { kind: 'poll', ...event, epoch, runs })
    this.#clients.readCount += runs.length
  }
}

type Run = readonly [offset: number, producer: number, first: number, count: number]
