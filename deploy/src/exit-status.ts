/**
 * Exit statuses of the `stratalog` command: scripts branch on them, so a number never changes its meaning.
 * docs/command.md and `stratalog --help` print this table. From 64 up they are those of BSD's sysexits, as the broker's
 * own start-up errors name them.
 */
import type { ErrorName } from '@stratalog/proto'

/** Name to number. */
export const EXIT_STATUS = {
  ok: 0,
  failure: 1,
  usage: 2,
  notFound: 3,
  alreadyExists: 4,
  unreachable: 5,
  unhealthy: 6,
  cannotListen: 69,
  defect: 70,
  dataFolder: 73,
  inUse: 75,
  config: 78,
  interrupted: 130,
} as const

/** A number of the table. */
export type ExitStatus = (typeof EXIT_STATUS)[keyof typeof EXIT_STATUS]

/** What each number says, for help and documentation. */
export const EXIT_STATUS_TEXT: readonly (readonly [ExitStatus, string])[] = [
  [EXIT_STATUS.ok, 'done'],
  [EXIT_STATUS.failure, 'failed; the error says why'],
  [EXIT_STATUS.usage, 'wrong option, argument or configuration value; nothing was done'],
  [EXIT_STATUS.notFound, 'the topic, partition, group, broker or file does not exist'],
  [EXIT_STATUS.alreadyExists, 'the topic exists already, or the output folder is not empty'],
  [EXIT_STATUS.unreachable, 'no broker answered in time; the same command may succeed later'],
  [EXIT_STATUS.unhealthy, 'the cluster is not healthy, a group lags too far behind, or a segment is damaged'],
  [EXIT_STATUS.cannotListen, 'the broker cannot listen on that address'],
  [EXIT_STATUS.defect, 'the broker stopped itself because an invariant was broken'],
  [EXIT_STATUS.dataFolder, "the data folder is foreign, another broker's, or cannot be read or written"],
  [EXIT_STATUS.inUse, 'the data or output folder or the port is in use by another process'],
  [EXIT_STATUS.config, "the broker's configuration is not valid"],
  [EXIT_STATUS.interrupted, 'stopped by Ctrl-C before the end'],
]

const STATUS_OF_ERROR: Partial<Record<ErrorName, ExitStatus>> = {
  UNKNOWN_TOPIC_OR_PARTITION: EXIT_STATUS.notFound,
  UNKNOWN_TOPIC_ID: EXIT_STATUS.notFound,
  TOPIC_ALREADY_EXISTS: EXIT_STATUS.alreadyExists,
  OUTPUT_EXISTS: EXIT_STATUS.alreadyExists,
  OUTPUT_IN_USE: EXIT_STATUS.inUse,
  CHECKPOINT_MISMATCH: EXIT_STATUS.usage,
  UNSUPPORTED_FORMAT: EXIT_STATUS.usage,
  GROUP_ID_NOT_FOUND: EXIT_STATUS.notFound,
  INVALID_TOPIC: EXIT_STATUS.usage,
  INVALID_PARTITIONS: EXIT_STATUS.usage,
  INVALID_REPLICATION_FACTOR: EXIT_STATUS.usage,
  INVALID_CONFIG: EXIT_STATUS.usage,
  INVALID_REPLICA_ASSIGNMENT: EXIT_STATUS.usage,
  INVALID_GROUP_ID: EXIT_STATUS.usage,
  INVALID_REGULAR_EXPRESSION: EXIT_STATUS.usage,
  BROKER_ID_NOT_REGISTERED: EXIT_STATUS.notFound,
  BROKER_NOT_AVAILABLE: EXIT_STATUS.unreachable,
  NETWORK_EXCEPTION: EXIT_STATUS.unreachable,
  LEADER_NOT_AVAILABLE: EXIT_STATUS.unreachable,
  NOT_LEADER_OR_FOLLOWER: EXIT_STATUS.unreachable,
  NOT_CONTROLLER: EXIT_STATUS.unreachable,
  COORDINATOR_NOT_AVAILABLE: EXIT_STATUS.unreachable,
  COORDINATOR_LOAD_IN_PROGRESS: EXIT_STATUS.unreachable,
  NOT_COORDINATOR: EXIT_STATUS.unreachable,
  REQUEST_TIMED_OUT: EXIT_STATUS.unreachable,
  DELIVERY_TIMED_OUT: EXIT_STATUS.unreachable,
  SHUTTING_DOWN: EXIT_STATUS.unreachable,
  OVERLOADED: EXIT_STATUS.unreachable,
  STALLED: EXIT_STATUS.unreachable,
}

/** Status for an error of the table; 1 where none fits better. */
export function exitStatusOf(code: ErrorName): ExitStatus {
  return STATUS_OF_ERROR[code] ?? EXIT_STATUS.failure
}
