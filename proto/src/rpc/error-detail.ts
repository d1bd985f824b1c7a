/**
 * Errors on the wire: StratalogError <-> `stratalog.v1.ErrorDetail`, and for a whole call the `google.rpc.Status`
 * that travels in the trailer `grpc-status-details-bin`.
 */
import { google, stratalog } from '../../generated/messages.js'
import { ERRORS, type ErrorName, type GrpcStatusName } from '../error-codes.ts'
import { type LeaderHint, StratalogError, type StratalogErrorOptions } from '../stratalog-error.ts'

/** Trailer that carries the packed google.rpc.Status. */
export const STATUS_DETAILS_KEY = 'grpc-status-details-bin'

const ERROR_DETAIL_TYPE_URL = 'type.googleapis.com/stratalog.v1.ErrorDetail'

/** Numbers of the gRPC status codes (grpc/grpc doc/statuscodes.md) that the error table uses. */
export const GRPC_STATUS: Readonly<Record<GrpcStatusName, number>> = {
  CANCELLED: 1,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  OUT_OF_RANGE: 11,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
}

/** What an ErrorDetail message is made of. */
export type ErrorDetailProperties = stratalog.v1.ErrorDetail.$Properties

/** The message for an error. */
export function toErrorDetail(error: StratalogError): ErrorDetailProperties {
  return {
    code: error.number,
    reason: error.code,
    message: error.message,
    retriable: error.retriable,
    hint: error.hint,
    leader: error.leader === null ? null : toLeaderHintMessage(error.leader),
    metadata: {
      ...error.metadata,
      ...(error.topic === null ? {} : { topic: error.topic }),
      ...(error.partition === null ? {} : { partition: String(error.partition) }),
    },
  }
}

/** The error for a message. A name that this version does not know becomes UNKNOWN_SERVER_ERROR and keeps its text. */
export function fromErrorDetail(detail: ErrorDetailProperties, options: StratalogErrorOptions = {}): StratalogError {
  const reason = detail.reason ?? ''
  const known = Object.hasOwn(ERRORS, reason)
  const { topic, partition, ...metadata } = detail.metadata ?? {}
  return new StratalogError(
    known ? (reason as ErrorName) : 'UNKNOWN_SERVER_ERROR',
    known ? (detail.message ?? undefined) : `${reason} (${detail.code}): ${detail.message}`,
    {
      metadata,
      ...(topic === undefined ? {} : { topic }),
      ...(partition === undefined ? {} : { partition: Number(partition) }),
      ...(detail.hint ? { hint: detail.hint } : {}),
      ...(detail.leader ? { leader: fromLeaderHintMessage(detail.leader) } : {}),
      ...options,
    },
  )
}

/** Bytes of the trailer `grpc-status-details-bin` for a call that fails with this error. */
export function encodeStatusDetails(error: StratalogError): Buffer {
  const detail = stratalog.v1.ErrorDetail.encode(toErrorDetail(error)).finish()
  const status = google.rpc.Status.encode({
    code: GRPC_STATUS[ERRORS[error.code].grpcStatus],
    message: error.message,
    details: [{ typeUrl: ERROR_DETAIL_TYPE_URL, value: detail }],
  }).finish()
  return Buffer.from(status.buffer, status.byteOffset, status.byteLength)
}

/** The error in such a trailer, or `null` when the bytes hold none of ours. */
export function decodeStatusDetails(bytes: Uint8Array): StratalogError | null {
  try {
    const status = google.rpc.Status.decode(bytes)
    const any = status.details.find((detail) => detail.typeUrl === ERROR_DETAIL_TYPE_URL)
    return any?.value ? fromErrorDetail(stratalog.v1.ErrorDetail.decode(any.value)) : null
  } catch {
    return null
  }
}

function toLeaderHintMessage(leader: LeaderHint): stratalog.v1.LeaderHint.$Properties {
  return {
    leaderId: leader.leaderId ?? -1,
    leaderEpoch: leader.leaderEpoch,
    endpoint:
      leader.host === null || leader.port === null
        ? null
        : { brokerId: leader.leaderId ?? -1, host: leader.host, port: leader.port },
  }
}

function fromLeaderHintMessage(message: stratalog.v1.LeaderHint.$Properties): LeaderHint {
  const leaderId = message.leaderId ?? -1
  return {
    leaderId: leaderId < 0 ? null : leaderId,
    leaderEpoch: message.leaderEpoch ?? 0,
    host: message.endpoint?.host ?? null,
    port: message.endpoint?.port ?? null,
  }
}
