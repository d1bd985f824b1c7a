/** The services of `stratalog.v1` and `grpc.health.v1` as method tables (see method.ts). */
import { grpc, stratalog } from '../../generated/messages.js'
import { defineMethod } from './method.ts'
import { gatherFetchResponse, gatherProduceRequest } from './payload-codec.ts'

const v1 = stratalog.v1

/** Writing records: schema/stratalog/v1/produce.proto. */
export const ProduceService = {
  produceStream: defineMethod('/stratalog.v1.Produce/ProduceStream', v1.ProduceRequest, v1.ProduceResponse, {
    requestStream: true,
    responseStream: true,
    gatherRequest: gatherProduceRequest,
  }),
  produceRecords: defineMethod(
    '/stratalog.v1.Produce/ProduceRecords',
    v1.ProduceRecordsRequest,
    v1.ProduceRecordsResponse,
  ),
  initProducerId: defineMethod(
    '/stratalog.v1.Produce/InitProducerId',
    v1.InitProducerIdRequest,
    v1.InitProducerIdResponse,
  ),
} as const

/** Reading records: schema/stratalog/v1/fetch.proto. */
export const FetchService = {
  fetchStream: defineMethod('/stratalog.v1.Fetch/FetchStream', v1.FetchRequest, v1.FetchResponse, {
    requestStream: true,
    responseStream: true,
    gatherResponse: gatherFetchResponse,
  }),
  listOffsets: defineMethod('/stratalog.v1.Fetch/ListOffsets', v1.ListOffsetsRequest, v1.ListOffsetsResponse),
  planSplits: defineMethod('/stratalog.v1.Fetch/PlanSplits', v1.PlanSplitsRequest, v1.PlanSplitsResponse),
} as const

/** The cluster: schema/stratalog/v1/metadata.proto. */
export const MetadataService = {
  describeCluster: defineMethod(
    '/stratalog.v1.Metadata/DescribeCluster',
    v1.DescribeClusterRequest,
    v1.DescribeClusterResponse,
  ),
  describeTopics: defineMethod(
    '/stratalog.v1.Metadata/DescribeTopics',
    v1.DescribeTopicsRequest,
    v1.DescribeTopicsResponse,
  ),
  watchTopics: defineMethod('/stratalog.v1.Metadata/WatchTopics', v1.DescribeTopicsRequest, v1.DescribeTopicsResponse, {
    responseStream: true,
  }),
} as const

/** Changing topics, partitions and brokers: schema/stratalog/v1/admin.proto. */
export const AdminService = {
  createTopic: defineMethod('/stratalog.v1.Admin/CreateTopic', v1.CreateTopicRequest, v1.CreateTopicResponse),
  deleteTopic: defineMethod('/stratalog.v1.Admin/DeleteTopic', v1.DeleteTopicRequest, v1.DeleteTopicResponse),
  alterTopicConfig: defineMethod(
    '/stratalog.v1.Admin/AlterTopicConfig',
    v1.AlterTopicConfigRequest,
    v1.AlterTopicConfigResponse,
  ),
  addPartitions: defineMethod('/stratalog.v1.Admin/AddPartitions', v1.AddPartitionsRequest, v1.AddPartitionsResponse),
  deleteRecords: defineMethod('/stratalog.v1.Admin/DeleteRecords', v1.DeleteRecordsRequest, v1.DeleteRecordsResponse),
  describeTopicConfig: defineMethod(
    '/stratalog.v1.Admin/DescribeTopicConfig',
    v1.DescribeTopicConfigRequest,
    v1.DescribeTopicConfigResponse,
  ),
  describePartitions: defineMethod(
    '/stratalog.v1.Admin/DescribePartitions',
    v1.DescribePartitionsRequest,
    v1.DescribePartitionsResponse,
  ),
  movePartition: defineMethod('/stratalog.v1.Admin/MovePartition', v1.MovePartitionRequest, v1.MovePartitionResponse),
  cancelMove: defineMethod('/stratalog.v1.Admin/CancelMove', v1.CancelMoveRequest, v1.CancelMoveResponse),
  transferLeader: defineMethod(
    '/stratalog.v1.Admin/TransferLeader',
    v1.TransferLeaderRequest,
    v1.TransferLeaderResponse,
  ),
  drainBroker: defineMethod('/stratalog.v1.Admin/DrainBroker', v1.DrainBrokerRequest, v1.DrainBrokerResponse),
  decommissionBroker: defineMethod(
    '/stratalog.v1.Admin/DecommissionBroker',
    v1.DecommissionBrokerRequest,
    v1.DecommissionBrokerResponse,
  ),
  describeQuorum: defineMethod(
    '/stratalog.v1.Admin/DescribeQuorum',
    v1.DescribeQuorumRequest,
    v1.DescribeQuorumResponse,
  ),
} as const

/** Consumer groups: schema/stratalog/v1/groups.proto. */
export const GroupsService = {
  findCoordinator: defineMethod(
    '/stratalog.v1.Groups/FindCoordinator',
    v1.FindCoordinatorRequest,
    v1.FindCoordinatorResponse,
  ),
  heartbeat: defineMethod('/stratalog.v1.Groups/Heartbeat', v1.GroupHeartbeatRequest, v1.GroupHeartbeatResponse),
  commitOffsets: defineMethod('/stratalog.v1.Groups/CommitOffsets', v1.CommitOffsetsRequest, v1.CommitOffsetsResponse),
  fetchOffsets: defineMethod('/stratalog.v1.Groups/FetchOffsets', v1.FetchOffsetsRequest, v1.FetchOffsetsResponse),
  deleteOffsets: defineMethod('/stratalog.v1.Groups/DeleteOffsets', v1.DeleteOffsetsRequest, v1.DeleteOffsetsResponse),
  deleteGroup: defineMethod('/stratalog.v1.Groups/DeleteGroup', v1.DeleteGroupRequest, v1.DeleteGroupResponse),
  listGroups: defineMethod('/stratalog.v1.Groups/ListGroups', v1.ListGroupsRequest, v1.ListGroupsResponse),
  describeGroup: defineMethod('/stratalog.v1.Groups/DescribeGroup', v1.DescribeGroupRequest, v1.DescribeGroupResponse),
  resetOffsets: defineMethod('/stratalog.v1.Groups/ResetOffsets', v1.ResetOffsetsRequest, v1.ResetOffsetsResponse),
} as const

const health = grpc.health.v1

/** The standard health protocol: schema/grpc/health/v1/health.proto. */
export const HealthService = {
  check: defineMethod('/grpc.health.v1.Health/Check', health.HealthCheckRequest, health.HealthCheckResponse),
  watch: defineMethod('/grpc.health.v1.Health/Watch', health.HealthCheckRequest, health.HealthCheckResponse, {
    responseStream: true,
  }),
} as const
