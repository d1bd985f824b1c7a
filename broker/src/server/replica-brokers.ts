/** Which brokers hold a partition, of what the metadata says about its copies. */

/** A copy: its broker, or more about it. */
type Copy = number | { readonly brokerId: number }

/** A partition of the metadata image. */
export interface PlacedPartition {
  readonly replicas: readonly Copy[]
  readonly target?: readonly Copy[] | null
}

/** Ids of the brokers that hold it, the preferred leader first. */
export function replicaBrokers({ replicas }: PlacedPartition): number[] {
  return replicas.map(brokerOf)
}

/** Ids of those that will, when the move under way is done; empty when there is none. */
export function targetBrokers({ target }: PlacedPartition): number[] {
  return target?.map(brokerOf) ?? []
}

function brokerOf(copy: Copy): number {
  return typeof copy === 'number' ? copy : copy.brokerId
}
