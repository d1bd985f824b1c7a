/**
 * All that a broker has to do with groups, put together: the coordinator, what it hosts, and what is told of groups across
 * the cluster. Owner: the broker's core.
 */
import type { ClusterView } from '../cluster/cluster-view.ts'
import type { RequestHandler } from '../cluster/peer-desk.ts'
import type { Controller } from '../controller/controller.ts'
import type { MetadataImage } from '../controller/metadata-image.ts'
import type { GroupConfig } from '../coordinator/group/group-api.ts'
import { GroupCoordinator } from '../coordinator/group-coordinator.ts'
import type { PartitionRegistry } from '../partition/partition-registry.ts'
import type { PartitionLogger } from '../partition/partition-types.ts'
import type { Peers } from '../peer/peer-port.ts'
import type { Clock } from '../replication/tick-loop.ts'
import type { KeyValueStore } from '../storage/key-value-store.ts'
import { GroupDescriber } from './group-describer.ts'
import { GroupDirectory } from './group-directory.ts'
import { GroupHosting } from './group-hosting.ts'
import { LogPositions } from './log-positions.ts'
import { OffsetResetter } from './offset-resetter.ts'

/** What the service is made of. */
export interface GroupServiceOptions {
  readonly brokerId: number
  readonly config: GroupConfig
  readonly partitionCount: number
  readonly checkpointBytesMin: number
  readonly store: KeyValueStore
  readonly clock: Clock
  readonly image: () => MetadataImage
  /** Known once the broker has its copy of the metadata. */
  readonly controller: () => Controller
  readonly registry: PartitionRegistry
  readonly cluster: ClusterView
  readonly peers: () => Peers
  readonly onFatal: (error: unknown) => void
  readonly logger: PartitionLogger
}

/** See the file's header. */
export class GroupService {
  readonly coordinator: GroupCoordinator
  readonly directory: GroupDirectory
  readonly resetter: OffsetResetter
  readonly #options: GroupServiceOptions
  readonly #positions: LogPositions
  #hosting: GroupHosting | null = null

  constructor(options: GroupServiceOptions) {
    this.#options = options
    const { config, clock } = options
    const coordinator = new GroupCoordinator(options)
    const positions = new LogPositions(options)
    const describer = new GroupDescriber({
      coordinator,
      positions,
      clock,
      heartbeatIntervalMs: config.heartbeatIntervalMs,
    })
    this.coordinator = coordinator
    this.#positions = positions
    this.directory = new GroupDirectory({ ...options, coordinator, describer })
    this.resetter = new OffsetResetter({ coordinator, directory: this.directory, positions })
  }

  /** What other brokers may ask this one, by kind. */
  handlers(): Array<readonly [kind: string, handler: RequestHandler]> {
    return [...this.directory.handlers(), ...this.#positions.handlers()]
  }

  /** Begins to coordinate; the partitions are open, and the metadata is followed. */
  begin(): void {
    const { coordinator } = this
    this.#hosting = new GroupHosting({ ...this.#options, controller: this.#options.controller(), coordinator })
  }

  /** Coordinates nothing any more; to be called before the partitions are closed. */
  async close(): Promise<void> {
    this.#hosting?.close()
    await this.coordinator.close()
  }
}
