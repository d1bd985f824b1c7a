/**
 * What travels between Stratalog's processes: messages and methods, errors, ids. Record batches have an entry of
 * their own, `@stratalog/proto/records`.
 */
export { google, grpc, stratalog } from '../generated/messages.js'
export {
  COMMITTED_OFFSETS_FILE,
  type CommittedOffsets,
  decodeCommittedOffsets,
  encodeCommittedOffsets,
  encodeCommittedOffsetsLine,
} from './committed-offsets.ts'
export { ERRORS, type ErrorEntry, type ErrorName, type GrpcStatusName } from './error-codes.ts'
export * from './ids.ts'
export { InvariantError, invariant } from './invariant.ts'
export { murmur2, partitionForKey } from './murmur2.ts'
export { nearestName } from './nearest-name.ts'
export {
  decodeStatusDetails,
  type ErrorDetailProperties,
  encodeStatusDetails,
  fromErrorDetail,
  GRPC_STATUS,
  STATUS_DETAILS_KEY,
  toErrorDetail,
} from './rpc/error-detail.ts'
export { GatheredMessage } from './rpc/gathered-message.ts'
export { defineMethod, type RpcMethod } from './rpc/method.ts'
export {
  AdminService,
  FetchService,
  GroupsService,
  HealthService,
  MetadataService,
  ProduceService,
} from './rpc/services.ts'
export { isStratalogError, type LeaderHint, StratalogError, type StratalogErrorOptions } from './stratalog-error.ts'
