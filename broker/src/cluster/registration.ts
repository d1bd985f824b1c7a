/**
 * A broker's entry into its cluster: it registers at every start, through whichever broker answers, until it is taken in.
 *
 * Whoever is asked passes the registration on to the controllers' leader and answers with what a newcomer needs: the
 * cluster's id, its place in the metadata group, and where the others are.
 * A refusal that no waiting mends (another cluster, an id in use, a broker that was removed) is final.
 * Owner: the broker, at start.
 */
import { isStratalogError, StratalogError } from '@stratalog/proto'
import type { BrokerRegistration } from '../controller/commands.ts'
import type { PartitionLogger } from '../partition/partition-types.ts'
import type { PeerAddress, Peers } from '../peer/peer-port.ts'
import type { Replica } from '../replication/raft-ids.ts'
import type { Clock } from '../replication/tick-loop.ts'

/** Request by which a broker registers; body a `BrokerRegistration`, answer {@link Registration}, both as JSON. */
export const REGISTER_REQUEST = 'register'

/** Request for the next generation of a broker's copy of the metadata log; body a `Replica`, answer {@link RenewedCopy}. */
export const RENEW_METADATA_REQUEST = 'renew-metadata-copy'

/** The copy that takes a lost one's place. */
export interface RenewedCopy {
  readonly generation: number
}

/** What it is told. */
export interface Registration {
  readonly clusterId: string
  /** The metadata log contains the registration from this offset (exclusive) on. */
  readonly metadataOffset: number
  /** Generation of its copy of the metadata log. */
  readonly metadataGeneration: number
  /** Its copies were given the next generation: it has forgotten what it once knew. */
  readonly storageLost: boolean
  /** Where the brokers of the cluster are, by id. */
  readonly peers: readonly (readonly [brokerId: number, address: PeerAddress])[]
}

/** What registering rests on. */
export interface RegistrarOptions {
  readonly clock: Clock
  readonly peers: Peers
  /** Whom to ask, in turn; asked anew in each round. */
  readonly addresses: () => readonly PeerAddress[]
  readonly logger: PartitionLogger
}

const ATTEMPT_TIMEOUT_MS = 5000
const RETRY_MS = 250
/** Rounds between two complaints in the log: about every five seconds. */
const ROUNDS_PER_WARNING = 20

/** Registers through others; see the file's header. */
export class Registrar {
  readonly #options: RegistrarOptions
  #closed = false

  constructor(options: RegistrarOptions) {
    this.#options = options
  }

  /**
   * Resolves when the broker is taken in.
   *
   * @param own registers directly, when this broker leads the controllers; null when it does not.
   * Errors: INCONSISTENT_CLUSTER_ID, DUPLICATE_BROKER_REGISTRATION and others that are not retriable; SHUTTING_DOWN.
   */
  register(
    request: BrokerRegistration,
    own: (() => Promise<Registration> | null) | null = null,
  ): Promise<Registration> {
    return this.#untilAnswered(REGISTER_REQUEST, request, own)
  }

  /**
   * Gets the next generation for this broker's copy of the metadata log, which it cannot open.
   * Errors: PARTITION_DAMAGED when it is the only one, and others that are not retriable; SHUTTING_DOWN.
   */
  renewMetadataCopy(lost: Replica): Promise<RenewedCopy> {
    return this.#untilAnswered(RENEW_METADATA_REQUEST, lost, null)
  }

  /** Gives up; what is under way rejects. */
  close(): void {
    this.#closed = true
  }

  async #untilAnswered<Answer>(
    kind: string,
    request: unknown,
    own: (() => Promise<Answer> | null) | null,
  ): Promise<Answer> {
    for (let round = 1; ; round++) {
      const reasons: string[] = []
      for (const attempt of this.#attempts(kind, request, own)) {
        if (this.#closed) throw new StratalogError('SHUTTING_DOWN')
        try {
          return await attempt()
        } catch (error) {
          if (!isStratalogError(error) || !error.retriable) throw error
          reasons.push(error.message)
        }
      }
      if (this.#closed) throw new StratalogError('SHUTTING_DOWN')
      if (round % ROUNDS_PER_WARNING === 1) {
        this.#options.logger.warn({ reasons }, 'waiting for the controllers: a majority of them must be up')
      }
      await this.#pause()
    }
  }

  #attempts<Answer>(
    kind: string,
    request: unknown,
    own: (() => Promise<Answer> | null) | null,
  ): Array<() => Promise<Answer>> {
    const direct = own?.() ?? null
    if (direct !== null) return [() => direct]
    const body = Buffer.from(JSON.stringify(request))
    return this.#options.addresses().map((address) => async () => {
      const answer = await this.#options.peers.requestAt(address, kind, body, ATTEMPT_TIMEOUT_MS)
      return JSON.parse(answer.body.toString()) as Answer
    })
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => {
      this.#options.clock.schedule(RETRY_MS, resolve)
    })
  }
}
