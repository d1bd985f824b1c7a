// Generated from proto/errors.json by proto/generate.mjs; do not edit.

/** What the table says of one error. */
export interface ErrorEntry {
  /** int16; Kafka's number where Kafka has the error, from 1000 where it is ours, from 1100 where only clients raise it. */
  readonly code: number
  readonly scope: 'any' | 'partition' | 'topic' | 'group' | 'broker' | 'client'
  /** Name of the gRPC status when a whole call fails with it. */
  readonly grpcStatus: GrpcStatusName
  /** Whether the same request may succeed later. */
  readonly retriable: boolean
  readonly text: string
  readonly whatToDo: string
}

export type GrpcStatusName =
  | 'ALREADY_EXISTS'
  | 'CANCELLED'
  | 'DATA_LOSS'
  | 'DEADLINE_EXCEEDED'
  | 'FAILED_PRECONDITION'
  | 'INTERNAL'
  | 'INVALID_ARGUMENT'
  | 'NOT_FOUND'
  | 'OUT_OF_RANGE'
  | 'RESOURCE_EXHAUSTED'
  | 'UNAVAILABLE'

/** Every error by its stable name. Codes and names never change; rows are only added. */
export const ERRORS = {
  UNKNOWN_SERVER_ERROR: {
    code: -1, scope: 'any', grpcStatus: 'INTERNAL', retriable: false,
    text: 'The broker met an error that it has no name for.',
    whatToDo: "Read the broker's log at that time and report it: every expected failure has a code of its own.",
  },
  OFFSET_OUT_OF_RANGE: {
    code: 1, scope: 'partition', grpcStatus: 'OUT_OF_RANGE', retriable: false,
    text: 'The offset is below the log start or beyond the visible end.',
    whatToDo: 
      'Start from an offset that exists, or choose a reset policy (earliest or latest). The answer names what was asked and what exists.',
  },
  CORRUPT_MESSAGE: {
    code: 2, scope: 'partition', grpcStatus: 'INVALID_ARGUMENT', retriable: false,
    text: 'The bytes are not a valid record batch: size, magic, CRC or contents do not match.',
    whatToDo: 'Check what stands between producer and broker; a batch read from a log means damage on that disk.',
  },
  UNKNOWN_TOPIC_OR_PARTITION: {
    code: 3, scope: 'partition', grpcStatus: 'NOT_FOUND', retriable: false,
    text: 'The topic, or that partition of it, does not exist.',
    whatToDo: 
      'Create the topic, or check its name and the partition number. A topic that was just created may take a moment to be known everywhere.',
  },
  LEADER_NOT_AVAILABLE: {
    code: 5, scope: 'partition', grpcStatus: 'UNAVAILABLE', retriable: true,
    text: 'The partition has no leader at the moment.',
    whatToDo: 'Retry; if it persists, a majority of its replicas is down.',
  },
  NOT_LEADER_OR_FOLLOWER: {
    code: 6, scope: 'partition', grpcStatus: 'UNAVAILABLE', retriable: true,
    text: 'This broker does not lead the partition.',
    whatToDo: 'Clients refresh their metadata and retry at the leader named in the answer.',
  },
  REQUEST_TIMED_OUT: {
    code: 7, scope: 'partition', grpcStatus: 'DEADLINE_EXCEEDED', retriable: true,
    text: 'The batch was appended but not acknowledged within the time allowed.',
    whatToDo: 
      'Retry with the same producer id and sequence: an idempotent producer does, and nothing is written twice.',
  },
  BROKER_NOT_AVAILABLE: {
    code: 8, scope: 'broker', grpcStatus: 'UNAVAILABLE', retriable: true,
    text: 'The broker cannot be reached.',
    whatToDo: 'Check its address and that it runs; clients go on trying until their own deadline.',
  },
  REPLICA_NOT_AVAILABLE: {
    code: 9, scope: 'partition', grpcStatus: 'UNAVAILABLE', retriable: true,
    text: 'This broker holds no usable replica of the partition.',
    whatToDo: 'Ask another replica; see `stratalog cluster health` for the cause.',
  },
  MESSAGE_TOO_LARGE: {
    code: 10, scope: 'partition', grpcStatus: 'INVALID_ARGUMENT', retriable: false,
    text: 'The batch is larger than the topic allows.',
    whatToDo: 'Send smaller batches or records, or raise max.message.bytes of the topic.',
  },
  OFFSET_METADATA_TOO_LARGE: {
    code: 12, scope: 'partition', grpcStatus: 'INVALID_ARGUMENT', retriable: false,
    text: 'The text committed with an offset is over its limit.',
    whatToDo: 'Shorten it; the answer names the limit.',
  },
  NETWORK_EXCEPTION: {
    code: 13, scope: 'broker', grpcStatus: 'UNAVAILABLE', retriable: true,
    text: 'The connection was lost before an answer came.',
    whatToDo: 'Clients reconnect and retry; an idempotent producer does so without duplicates.',
  },
  COORDINATOR_LOAD_IN_PROGRESS: {
    code: 14, scope: 'group', grpcStatus: 'UNAVAILABLE', retriable: true,
    text: 'The coordinator has just taken the group over and is reading its state.',
    whatToDo: 'Clients retry after a moment.',
  },
  COORDINATOR_NOT_AVAILABLE: {
    code: 15, scope: 'group', grpcStatus: 'UNAVAILABLE', retriable: true,
    text: 'No broker coordinates the group at the moment.',
    whatToDo: 'Clients retry; if it persists, a partition of __consumer_offsets has no leader.',
  },
  NOT_COORDINATOR: {
    code: 16, scope: 'group', grpcStatus: 'UNAVAILABLE', retriable: true,
    text: 'This broker does not coordinate the group.',
    whatToDo: 'Clients go to the broker named in the answer.',
  },
  INVALID_TOPIC: {
    code: 17, scope: 'topic', grpcStatus: 'INVALID_ARGUMENT', retriable: false,
    text: 'The topic name is not allowed.',
    whatToDo: 
      'Use 1 to 249 of the characters a-z A-Z 0-9 . _ - and neither "." nor ".."; names that begin with __ are internal.',
  },
  NOT_ENOUGH_REPLICAS: {
    code: 19, scope: 'partition', grpcStatus: 'UNAVAILABLE', retriable: true,
    text: 'Fewer replicas are reachable than an acknowledgement needs.',
    whatToDo: 'Bring brokers back; see `stratalog cluster health`.',
  },
  INVALID_GROUP_ID: {
    code: 24, scope: 'group', grpcStatus: 'INVALID_ARGUMENT', retriable: false,
    text: 'A group id must have 1 to 255 characters, none of them a control character.',
    whatToDo: 'Choose another name.',
  },
  UNKNOWN_MEMBER_ID: {
    code: 25, scope: 'group', grpcStatus: 'FAILED_PRECONDITION', retriable: false,
    text: 'The coordinator does not know this member: it has left or was removed for its silence.',
    whatToDo: 'Clients give up what they own and join anew.',
  },
  INVALID_TIMESTAMP: {
    code: 32, scope: 'partition', grpcStatus: 'INVALID_ARGUMENT', retriable: false,
    text: "A record's timestamp is outside what the topic accepts.",
    whatToDo: "Check the producer's clock and the unit: timestamps are milliseconds since 1970.",
  },
  TOPIC_ALREADY_EXISTS: {
    code: 36, scope: 'topic', grpcStatus: 'ALREADY_EXISTS', retriable: false,
    text: 'A topic of that name exists.',
    whatToDo: 'Choose another name, or use the topic as it is.',
  },
  INVALID_PARTITIONS: {
    code: 37, scope: 'topic', grpcStatus: 'INVALID_ARGUMENT', retriable: false,
    text: 'The number of partitions is not allowed.',
    whatToDo: 'Ask for 1 to 10,000, and when adding for more than there are.',
  },
  INVALID_REPLICATION_FACTOR: {
    code: 38, scope: 'topic', grpcStatus: 'INVALID_ARGUMENT', retriable: false,
    text: 'The replication factor is below one or above the number of brokers.',
    whatToDo: 'Ask for fewer replicas or add brokers.',
  },
  INVALID_REPLICA_ASSIGNMENT: {
    code: 39, scope: 'partition', grpcStatus: 'INVALID_ARGUMENT', retriable: false,
    text: 'The brokers named cannot hold the partition: one is unknown, named twice, or takes no replicas.',
    whatToDo: 'The message names the broker; see `stratalog broker list`.',
  },
  INVALID_CONFIG: {
    code: 40, scope: 'topic', grpcStatus: 'INVALID_ARGUMENT', retriable: false,
    text: 'A configuration key is unknown or its value is not allowed.',
    whatToDo: 'The message names the key, the value and what is allowed.',
  },
  NOT_CONTROLLER: {
    code: 41, scope: 'broker', grpcStatus: 'UNAVAILABLE', retriable: true,
    text: 'This broker is not the leader of the controllers.',
    whatToDo: 'Clients retry at the controller named in the metadata.',
  },
  INVALID_REQUEST: {
    code: 42, scope: 'any', grpcStatus: 'INVALID_ARGUMENT', retriable: false,
    text: 'The request does not make sense: a field is missing, out of range, or contradicts another.',
    whatToDo: 'The message names the field, the value and the limit.',
  },
  OUT_OF_ORDER_SEQUENCE_NUMBER: {
    code: 45, scope: 'partition', grpcStatus: 'FAILED_PRECONDITION', retriable: false,
    text: "An idempotent producer's batch does not follow the last one that the partition has.",
    whatToDo: 
      'A batch before it was lost for good; the producer must start again with a new epoch (the client library reports it).',
  },
  DUPLICATE_SEQUENCE_NUMBER: {
    code: 46, scope: 'partition', grpcStatus: 'ALREADY_EXISTS', retriable: false,
    text: 'The batch was written before, too long ago to tell its offset.',
    whatToDo: 'Treat it as written; the offset is not known.',
  },
  INVALID_PRODUCER_EPOCH: {
    code: 47, scope: 'partition', grpcStatus: 'FAILED_PRECONDITION', retriable: false,
    text: 'A newer instance of this producer has taken over.',
    whatToDo: 'Stop this instance; two producers must not share a producer id.',
  },
  STORAGE_ERROR: {
    code: 56, scope: 'partition', grpcStatus: 'UNAVAILABLE', retriable: true,
    text: "The broker's disk failed under this partition.",
    whatToDo: 
      "See the broker's log and `stratalog cluster health`; the partition is not served here until it is mended or rebuilt.",
  },
  UNKNOWN_PRODUCER_ID: {
    code: 59, scope: 'partition', grpcStatus: 'FAILED_PRECONDITION', retriable: false,
    text: 'The partition has no state of this producer id.',
    whatToDo: 'Ask for a new producer id (the client library does).',
  },
  REASSIGNMENT_IN_PROGRESS: {
    code: 60, scope: 'partition', grpcStatus: 'FAILED_PRECONDITION', retriable: false,
    text: 'The partition is being moved already.',
    whatToDo: 'Wait until it is done, or cancel it: see `stratalog partition status`.',
  },
  GROUP_NOT_EMPTY: {
    code: 68, scope: 'group', grpcStatus: 'FAILED_PRECONDITION', retriable: false,
    text: 'The group has members.',
    whatToDo: 'Stop its members first.',
  },
  GROUP_ID_NOT_FOUND: {
    code: 69, scope: 'group', grpcStatus: 'NOT_FOUND', retriable: false,
    text: 'There is no such group.',
    whatToDo: 'Check the name; a group exists from its first member or committed offset on.',
  },
  FENCED_LEADER_EPOCH: {
    code: 74, scope: 'partition', grpcStatus: 'FAILED_PRECONDITION', retriable: true,
    text: "The epoch in the request is older than the partition's.",
    whatToDo: 'Clients refresh their metadata and retry.',
  },
  UNKNOWN_LEADER_EPOCH: {
    code: 75, scope: 'partition', grpcStatus: 'UNAVAILABLE', retriable: true,
    text: 'The epoch in the request is newer than this broker knows.',
    whatToDo: 'Clients retry; the broker is catching up.',
  },
  UNSUPPORTED_COMPRESSION_TYPE: {
    code: 76, scope: 'partition', grpcStatus: 'INVALID_ARGUMENT', retriable: false,
    text: 'The batch names a compression codec that does not exist.',
    whatToDo: 'Use none, gzip, snappy, lz4 or zstd.',
  },
  OFFSET_NOT_AVAILABLE: {
    code: 78, scope: 'partition', grpcStatus: 'UNAVAILABLE', retriable: true,
    text: 'The leader is new and does not know yet how far the log is committed.',
    whatToDo: 'Clients retry in a moment; the offset is not lost.',
  },
  GROUP_MAX_SIZE_REACHED: {
    code: 81, scope: 'group', grpcStatus: 'RESOURCE_EXHAUSTED', retriable: false,
    text: 'The group has as many members as it may.',
    whatToDo: 'Use fewer members, or raise group.max.size.',
  },
  ELIGIBLE_LEADERS_NOT_AVAILABLE: {
    code: 83, scope: 'partition', grpcStatus: 'UNAVAILABLE', retriable: true,
    text: 'No other replica can lead the partition now.',
    whatToDo: 'Wait until one is live and caught up: see `stratalog partition status`.',
  },
  NO_REASSIGNMENT_IN_PROGRESS: {
    code: 85, scope: 'partition', grpcStatus: 'FAILED_PRECONDITION', retriable: false,
    text: 'The partition is not being moved.',
    whatToDo: 'Nothing is to be cancelled; see `stratalog partition status`.',
  },
  GROUP_SUBSCRIBED_TO_TOPIC: {
    code: 86, scope: 'partition', grpcStatus: 'FAILED_PRECONDITION', retriable: false,
    text: 'A member of the group subscribes to the topic.',
    whatToDo: 'Stop the members first, or end their subscription.',
  },
  INVALID_RECORD: {
    code: 87, scope: 'partition', grpcStatus: 'INVALID_ARGUMENT', retriable: false,
    text: 'A record breaks a rule of the topic.',
    whatToDo: 'The message names the rule; a compacted topic, for instance, takes no record without a key.',
  },
  UNKNOWN_TOPIC_ID: {
    code: 100, scope: 'topic', grpcStatus: 'NOT_FOUND', retriable: true,
    text: 'The topic was deleted, or deleted and created again, since the client learned its id.',
    whatToDo: 'Clients refresh their metadata; offsets and sequences of the old topic mean nothing in the new one.',
  },
  DUPLICATE_BROKER_REGISTRATION: {
    code: 101, scope: 'broker', grpcStatus: 'ALREADY_EXISTS', retriable: false,
    text: 'Another broker with this id is in the cluster.',
    whatToDo: 'Give the broker an id of its own, or stop the other one.',
  },
  BROKER_ID_NOT_REGISTERED: {
    code: 102, scope: 'broker', grpcStatus: 'NOT_FOUND', retriable: false,
    text: 'There is no broker with this id in the cluster.',
    whatToDo: 'See `stratalog broker list` for the ids that there are.',
  },
  INCONSISTENT_CLUSTER_ID: {
    code: 104, scope: 'broker', grpcStatus: 'FAILED_PRECONDITION', retriable: false,
    text: 'The broker belongs to another cluster.',
    whatToDo: 'Check the addresses; a data folder cannot be moved into another cluster.',
  },
  INELIGIBLE_REPLICA: {
    code: 107, scope: 'partition', grpcStatus: 'FAILED_PRECONDITION', retriable: false,
    text: "The broker named holds no replica that can lead: it is none of the partition's, lags, or is drained.",
    whatToDo: 'Choose another one: see `stratalog partition status`.',
  },
  FENCED_MEMBER_EPOCH: {
    code: 110, scope: 'group', grpcStatus: 'FAILED_PRECONDITION', retriable: false,
    text: "The member's epoch is not the one that the coordinator knows: it was removed, or another took its place.",
    whatToDo: 'Clients give up what they own and join anew.',
  },
  UNRELEASED_INSTANCE_ID: {
    code: 111, scope: 'group', grpcStatus: 'FAILED_PRECONDITION', retriable: false,
    text: 'The static member is still in the group under this instance id.',
    whatToDo: 'Wait until the other process has left or its session has ended, or choose another instance id.',
  },
  UNSUPPORTED_ASSIGNOR: {
    code: 112, scope: 'group', grpcStatus: 'INVALID_ARGUMENT', retriable: false,
    text: 'The assignor is not known.',
    whatToDo: 'Choose uniform or range.',
  },
  STALE_MEMBER_EPOCH: {
    code: 113, scope: 'group', grpcStatus: 'FAILED_PRECONDITION', retriable: true,
    text: 'The commit or fetch carries an epoch that the member has left behind.',
    whatToDo: 'Clients send it again with their present epoch, if they still own the partition.',
  },
  INVALID_REGULAR_EXPRESSION: {
    code: 128, scope: 'group', grpcStatus: 'INVALID_ARGUMENT', retriable: false,
    text: 'The topic pattern is not a valid regular expression (RE2 syntax).',
    whatToDo: 'Correct the pattern; the answer says where it is wrong.',
  },
  DISK_FULL: {
    code: 1000, scope: 'partition', grpcStatus: 'RESOURCE_EXHAUSTED', retriable: true,
    text: "The broker's disk is full: it serves reads and takes no writes.",
    whatToDo: 'Free space, add a disk, or shorten retention; writing goes on by itself once there is room.',
  },
  OVERLOADED: {
    code: 1001, scope: 'any', grpcStatus: 'RESOURCE_EXHAUSTED', retriable: true,
    text: 'The broker holds as many unanswered bytes or streams as it is configured to.',
    whatToDo: "Slow down and retry; see limits in the broker's configuration.",
  },
  SHUTTING_DOWN: {
    code: 1002, scope: 'broker', grpcStatus: 'UNAVAILABLE', retriable: true,
    text: 'The broker is stopping.',
    whatToDo: 'Clients go to another broker, or retry until it is back.',
  },
  PARTITION_DAMAGED: {
    code: 1003, scope: 'partition', grpcStatus: 'DATA_LOSS', retriable: false,
    text: 'A file of this partition is damaged; this replica does not serve it.',
    whatToDo: 
      "See the broker's log for file and offset. A replicated partition is rebuilt from its peers; with one replica restore the folder from a copy.",
  },
  UNKNOWN_CONSUMER_HANDLE: {
    code: 1004, scope: 'partition', grpcStatus: 'INVALID_ARGUMENT', retriable: false,
    text: 'A fetch stream names a handle that was never started or has ended.',
    whatToDo: 'Start the partition first; handles are not reused.',
  },
  UNKNOWN_SERVICE: {
    code: 1005, scope: 'broker', grpcStatus: 'NOT_FOUND', retriable: false,
    text: 'The health service was asked about a service that this broker does not have.',
    whatToDo: 'Leave the name empty to ask about the broker as a whole; the message lists the names it knows.',
  },
  QUORUM_WOULD_BE_LOST: {
    code: 1006, scope: 'broker', grpcStatus: 'FAILED_PRECONDITION', retriable: false,
    text: "The change would leave a partition, or the cluster's metadata, without a majority of live replicas.",
    whatToDo: 'Bring the other replicas back first, or move the partition that the message names.',
  },
  BROKER_DECOMMISSIONED: {
    code: 1007, scope: 'broker', grpcStatus: 'FAILED_PRECONDITION', retriable: false,
    text: 'The broker was decommissioned; its data folder does not come back into the cluster.',
    whatToDo: 'Start the broker with an empty data folder if it is to join anew.',
  },
  PARTITION_NOT_OWNED: {
    code: 1008, scope: 'partition', grpcStatus: 'FAILED_PRECONDITION', retriable: false,
    text: 'The member commits for a partition that it does not own.',
    whatToDo: 'The partition has moved on; its new owner begins at the last committed offset.',
  },
  CANCELLED: {
    code: 1100, scope: 'client', grpcStatus: 'CANCELLED', retriable: false,
    text: "The caller's AbortSignal ended the call.",
    whatToDo: 'Nothing; it was asked for. A record sent before may have been written.',
  },
  CLIENT_CLOSED: {
    code: 1101, scope: 'client', grpcStatus: 'FAILED_PRECONDITION', retriable: false,
    text: 'The client, producer or consumer is closed.',
    whatToDo: 'Create a new one.',
  },
  DELIVERY_TIMED_OUT: {
    code: 1102, scope: 'client', grpcStatus: 'DEADLINE_EXCEEDED', retriable: true,
    text: 'A record was not acknowledged within deliveryTimeoutMs.',
    whatToDo: 
      'It may or may not have been written. See the cause; raise deliveryTimeoutMs to ride out longer outages.',
  },
  RECORD_TOO_LARGE: {
    code: 1103, scope: 'client', grpcStatus: 'INVALID_ARGUMENT', retriable: false,
    text: "A record does not fit into a batch of the largest size, or into the producer's memory.",
    whatToDo: "Split the record, or raise batchBytesMax and the topic's max.message.bytes.",
  },
  SERIALIZATION_FAILED: {
    code: 1104, scope: 'client', grpcStatus: 'INVALID_ARGUMENT', retriable: false,
    text: 'A key or value could not be turned into bytes, or back.',
    whatToDo: 'See the cause; the message names topic, partition and offset when reading.',
  },
  STALLED: {
    code: 1105, scope: 'client', grpcStatus: 'UNAVAILABLE', retriable: true,
    text: 'Nothing was heard from the broker for longer than the watchdog allows.',
    whatToDo: 'The client reconnects by itself; if it persists, check the broker.',
  },
  HANDLER_FAILED: {
    code: 1106, scope: 'client', grpcStatus: 'INTERNAL', retriable: false,
    text: "The application's handler threw for a record, and onError says to fail.",
    whatToDo: 
      'See the cause; the message names topic, partition and offset. Nothing behind the record is committed, so it comes again.',
  },
  NO_COMMITTED_OFFSET: {
    code: 1107, scope: 'client', grpcStatus: 'NOT_FOUND', retriable: false,
    text: 'The group has no committed offset for the partition, and the subscription says to begin at one.',
    whatToDo: "Subscribe with from: 'earliest' or 'latest', or commit an offset first: see `stratalog group seek`.",
  },
  OUTPUT_EXISTS: {
    code: 1108, scope: 'client', grpcStatus: 'ALREADY_EXISTS', retriable: false,
    text: 'The output folder holds something already, and a replay never overwrites.',
    whatToDo: 'Give another folder, or resume the replay that began there.',
  },
  OUTPUT_FAILED: {
    code: 1109, scope: 'client', grpcStatus: 'INTERNAL', retriable: false,
    text: 'What was read could not be written to the output.',
    whatToDo: 'See the cause: a full disk, missing rights. When it is mended, resume: what is complete is kept.',
  },
  CHECKPOINT_MISMATCH: {
    code: 1110, scope: 'client', grpcStatus: 'FAILED_PRECONDITION', retriable: false,
    text: 'The checkpoint belongs to another topic, plan or form of output.',
    whatToDo: 'Resume with what the replay was begun with, or write to another folder.',
  },
  CHECKPOINT_DAMAGED: {
    code: 1111, scope: 'client', grpcStatus: 'DATA_LOSS', retriable: false,
    text: 'The checkpoint, or a file that it names, is not as it was written.',
    whatToDo: 'Begin anew in another folder.',
  },
  UNSUPPORTED_FORMAT: {
    code: 1112, scope: 'client', grpcStatus: 'INVALID_ARGUMENT', retriable: false,
    text: 'The output format, or its compression, cannot be written here.',
    whatToDo: 'Install the package that the message names, or choose another format.',
  },
  WORKER_FAILED: {
    code: 1113, scope: 'client', grpcStatus: 'INTERNAL', retriable: false,
    text: 'A worker thread ended by itself.',
    whatToDo: 'See the cause, such as memory that ran out: lower the parallelism. Then resume.',
  },
  OUTPUT_IN_USE: {
    code: 1114, scope: 'client', grpcStatus: 'FAILED_PRECONDITION', retriable: false,
    text: 'Another replay is writing to the output folder.',
    whatToDo: 'Wait for it, or stop it; then resume.',
  },
} as const satisfies Record<string, ErrorEntry>

/** Stable name of an error. */
export type ErrorName = keyof typeof ERRORS
