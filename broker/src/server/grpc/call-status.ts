/** How a failed call ends on the wire: gRPC status, text, and the packed error in `grpc-status-details-bin`. */
import { Metadata, type StatusObject, status } from '@grpc/grpc-js'
import { ERRORS, encodeStatusDetails, GRPC_STATUS, STATUS_DETAILS_KEY, type StratalogError } from '@stratalog/proto'

/** The status of a call that fails with this error. The hint travels in the details only. */
export function statusOf(error: StratalogError): StatusObject {
  const metadata = new Metadata()
  metadata.set(STATUS_DETAILS_KEY, encodeStatusDetails(error))
  const code = GRPC_STATUS[ERRORS[error.code].grpcStatus] ?? status.UNKNOWN
  return { code, details: `${error.code}: ${error.message}`, metadata }
}
