/**
 * The way between clients and brokers: a call arrives late or not at all, and so does its answer.
 *
 * A call whose broker dies, or is not there, is answered with null soon; one that gets lost, after its time limit. Calls on
 * one connection arrive, and are answered, in their order.
 */
import type { Random } from 'raft-ts/testing'
import type { BrokerCore } from './sim-broker.ts'
import type { SimCluster } from './sim-cluster.ts'

/** Calls of one connection stay in order. */
export interface Connection {
  arrivesMs: number
  answersMs: number
}

/** A call to a broker. */
export interface ClientCall<T> {
  readonly brokerId: number
  readonly connection: Connection
  readonly timeoutMs: number
  /** Happens at the broker; `respond` at most once. */
  readonly ask: (core: BrokerCore, respond: (answer: T) => void) => void
  /** Happens at the client, exactly once; null = nobody knows. */
  readonly answered: (answer: T | null) => void
}

const REFUSED_MS = 2

/** See the file's header. */
export class ClientLink {
  /** Probability that a call, or an answer, is lost. */
  loss = 0
  readonly #cluster: SimCluster
  readonly #random: Random
  readonly #delayMaxMs: number

  constructor(cluster: SimCluster, random: Random, delayMaxMs: number) {
    this.#cluster = cluster
    this.#random = random
    this.#delayMaxMs = delayMaxMs
  }

  /** Calls a broker. */
  call<T>({ brokerId, connection, timeoutMs, ask, answered }: ClientCall<T>): void {
    const { world } = this.#cluster
    let open = true
    const end = (answer: T | null): void => {
      if (!open) return
      open = false
      answered(answer)
    }
    world.after(timeoutMs, () => end(null))
    if (this.#random.chance(this.loss)) return
    connection.arrivesMs = Math.max(world.now + this.#delayMs(), connection.arrivesMs)
    world.after(connection.arrivesMs - world.now, () => {
      const broker = this.#cluster.brokers.get(brokerId)!
      const { process, core } = broker
      if (process === null || core === null) {
        world.after(REFUSED_MS, () => end(null))
        return
      }
      const forget = process.onDeath(() => world.after(REFUSED_MS, () => end(null)))
      const respond = (answer: T): void => {
        forget()
        if (this.#random.chance(this.loss)) return
        connection.answersMs = Math.max(world.now + this.#delayMs(), connection.answersMs)
        world.after(connection.answersMs - world.now, () => end(answer))
      }
      process.enter(() => ask(core, respond))
    })
  }

  #delayMs(): number {
    return this.#random.between(1, this.#delayMaxMs)
  }
}

/** A new connection. */
export function connect(): Connection {
  return { arrivesMs: 0, answersMs: 0 }
}
