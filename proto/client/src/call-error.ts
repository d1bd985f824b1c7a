/** From what grpc-js reports to StratalogError: the broker's own error if it sent one, otherwise by status. */
import { type Metadata, type ServiceError, status } from '@grpc/grpc-js'
import { decodeStatusDetails, STATUS_DETAILS_KEY, StratalogError } from '@stratalog/proto'
import { type BrokerAddress, formatAddress } from './address.ts'

/** The error for a call or stream to `address` that ended with this status. */
export function fromCallError(error: ServiceError, address: BrokerAddress): StratalogError {
  const packed = detailsOf(error.metadata)
  const detailed = packed === null ? null : decodeStatusDetails(packed)
  if (detailed !== null) return detailed
  const name = formatAddress(address)
  const what = error.details || error.message
  switch (error.code) {
    case status.DEADLINE_EXCEEDED:
      return new StratalogError('REQUEST_TIMED_OUT', `broker ${name} did not answer in time`, { cause: error })
    case status.CANCELLED:
    case status.UNAVAILABLE:
    case status.INTERNAL:
      return new StratalogError('NETWORK_EXCEPTION', `the connection to broker ${name} was lost: ${what}`, {
        cause: error,
      })
    case status.RESOURCE_EXHAUSTED:
      return new StratalogError('MESSAGE_TOO_LARGE', `a message from or to broker ${name} is too large: ${what}`, {
        cause: error,
      })
    case status.UNIMPLEMENTED:
      return new StratalogError('INVALID_REQUEST', `broker ${name} does not offer this call: ${what}`, {
        cause: error,
        hint: 'The broker is older than this client, or the address is not a Stratalog broker.',
      })
    default:
      return new StratalogError('UNKNOWN_SERVER_ERROR', `broker ${name}: ${what}`, { cause: error })
  }
}

/** The error for a broker that could not be reached at all. */
export function unreachable(address: BrokerAddress, cause: unknown): StratalogError {
  const why = cause instanceof Error ? cause.message || String((cause as NodeJS.ErrnoException).code) : String(cause)
  return new StratalogError('BROKER_NOT_AVAILABLE', `broker ${formatAddress(address)} cannot be reached: ${why}`, {
    cause,
  })
}

function detailsOf(metadata: Metadata | undefined): Uint8Array | null {
  const value = metadata?.get(STATUS_DETAILS_KEY)[0]
  return value instanceof Uint8Array ? value : null
}
