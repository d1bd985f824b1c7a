/**
 * Errors as clients are to see them in a cluster: with the leader, where another broker leads, and its address.
 *
 * A copy that is damaged here is no end of the partition as long as there are others: its clients are sent to the
 * leader, or told to come back when there is one.
 */
import { type ErrorName, type LeaderHint, StratalogError } from '@stratalog/proto'
import type { ClusterView } from '../cluster/cluster-view.ts'
import type { MetadataImage } from '../controller/metadata-image.ts'

/** What the errors are completed from. */
export interface ClientErrorsOptions {
  readonly brokerId: number
  readonly image: () => MetadataImage
  readonly cluster: Pick<ClusterView, 'leaderOf'>
}

/** Says that another broker should be asked, or that this one should be asked again. */
const LEADERSHIP: ReadonlySet<ErrorName> = new Set([
  'LEADER_NOT_AVAILABLE',
  'NOT_LEADER_OR_FOLLOWER',
  'REPLICA_NOT_AVAILABLE',
] as const)
/** Says that this broker's copy is out of order. */
const OUT_OF_ORDER: ReadonlySet<ErrorName> = new Set(['PARTITION_DAMAGED', 'STORAGE_ERROR'] as const)

/** See the file's header. Errors that do not name a partition, or that leadership has nothing to do with, stay as they are. */
export class ClientErrors {
  readonly #options: ClientErrorsOptions

  constructor(options: ClientErrorsOptions) {
    this.#options = options
  }

  /** The error for the client. */
  of(error: StratalogError): StratalogError {
    const { topic, partition } = error
    if (topic === null || partition === null) return error
    const isOutOfOrder = OUT_OF_ORDER.has(error.code)
    if (!isOutOfOrder && !LEADERSHIP.has(error.code) && error.code !== 'SHUTTING_DOWN') return error
    const { image, brokerId } = this.#options
    const known = image().topicsByName.get(topic)
    const placed = known?.partitions[partition]
    if (known === undefined || placed === undefined) return error
    const leader = this.#hint(known.topicId, partition)
    const where = `${topic}-${partition}`
    if (leader.leaderId !== null && leader.leaderId !== brokerId) {
      const text = `broker ${brokerId} does not lead ${where}; broker ${leader.leaderId} does, since leader epoch ${leader.leaderEpoch}`
      return renamed('NOT_LEADER_OR_FOLLOWER', text, error, leader)
    }
    if (isOutOfOrder && placed.replicas.length === 1) return error
    if (error.code === 'SHUTTING_DOWN') return error
    const reason = isOutOfOrder ? `: the copy on broker ${brokerId} is out of order (${error.code})` : ''
    return renamed('LEADER_NOT_AVAILABLE', `${where} has no leader at the moment${reason}`, error, {
      ...NO_LEADER,
      leaderEpoch: leader.leaderEpoch,
    })
  }

  #hint(topicId: string, partition: number): LeaderHint {
    const { cluster, image } = this.#options
    const { leaderId, leaderEpoch } = cluster.leaderOf(topicId, partition)
    const broker = leaderId === null ? undefined : image().brokers.get(leaderId)
    return { leaderId, leaderEpoch, host: broker?.host ?? null, port: broker?.port ?? null }
  }
}

const NO_LEADER: LeaderHint = { leaderId: null, leaderEpoch: 0, host: null, port: null }

function renamed(code: ErrorName, text: string, error: StratalogError, leader: LeaderHint): StratalogError {
  const { topic, partition, metadata } = error
  return new StratalogError(code, text, {
    cause: error,
    metadata,
    leader,
    ...(topic === null ? {} : { topic }),
    ...(partition === null ? {} : { partition }),
  })
}
