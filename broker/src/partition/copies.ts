/** The copies of a partition as one of them sees them: those that are lost, each told once, and those to be cleared away. */
import { StratalogError } from '@stratalog/proto'
import type { NodeId } from 'raft-ts'
import { brokerOfNode, replicaOfNode } from '../replication/raft-ids.ts'
import { reportLost } from './open-copy.ts'
import { removeStaleCopies } from './partition-copy.ts'
import type { PartitionEnvironment, PartitionSpec } from './partition-types.ts'

/** See the file's header. Owner: the partition. */
export class Copies {
  readonly #spec: PartitionSpec
  readonly #environment: PartitionEnvironment
  readonly #lostNodes = new Set<NodeId>()
  #hasStale: boolean

  constructor(spec: PartitionSpec, environment: PartitionEnvironment) {
    this.#spec = spec
    this.#environment = environment
    this.#hasStale = spec.generation > 0
  }

  /** PARTITION_DAMAGED, for a copy that has lost what it acknowledged. */
  lossOf(node: NodeId, detail: string): StratalogError {
    const { topic, partition } = this.#spec
    const text = `copy ${replicaOfNode(node).generation} of ${topic}-${partition} on broker ${brokerOfNode(node)} has lost what it acknowledged: ${detail}`
    return new StratalogError('PARTITION_DAMAGED', text, { topic, partition })
  }

  /** Tells the cluster of a lost copy, once. */
  report(node: NodeId, error: StratalogError): void {
    if (this.#lostNodes.has(node)) return
    this.#lostNodes.add(node)
    reportLost(this.#spec, this.#environment, node, error)
  }

  /** This copy votes: one of this broker's that was given up is of no use any more. */
  removeStale(): void {
    if (!this.#hasStale) return
    this.#hasStale = false
    const { topic, partition, directory } = this.#spec
    const { fileSystem, logger } = this.#environment
    removeStaleCopies(fileSystem, directory).catch((error: unknown) => {
      logger.warn({ topic, partition, err: error }, 'a copy that was given up could not be removed')
    })
  }
}
