/** Which calls may be repeated at another broker although the first may have acted on them. */
import {
  AdminService,
  FetchService,
  GroupsService,
  HealthService,
  MetadataService,
  ProduceService,
} from '@stratalog/proto'

/**
 * Paths of calls that change nothing a user can see. A producer id that was handed out and never used is lost, of
 * which there are 2^53.
 */
export const CALLS_THAT_CHANGE_NOTHING: ReadonlySet<string> = new Set([
  AdminService.describePartitions.path,
  AdminService.describeQuorum.path,
  AdminService.describeTopicConfig.path,
  FetchService.listOffsets.path,
  FetchService.planSplits.path,
  GroupsService.describeGroup.path,
  GroupsService.findCoordinator.path,
  GroupsService.listGroups.path,
  HealthService.check.path,
  MetadataService.describeCluster.path,
  MetadataService.describeTopics.path,
  ProduceService.initProducerId.path,
])
