/** One call with one answer on one connection: deadline, cancellation, and errors as StratalogError. */
import { Metadata, type ServiceError } from '@grpc/grpc-js'
import { type RpcMethod, StratalogError } from '@stratalog/proto'
import { abortError, onAbort, withAbort } from './abort.ts'
import { formatAddress } from './address.ts'
import { fromCallError } from './call-error.ts'
import type { BrokerConnection } from './connection.ts'

/** The outcome of an attempt that failed: `sent` tells whether the broker may have acted on it. */
export interface CallFailure {
  readonly error: StratalogError
  readonly sent: boolean
}

/**
 * Calls a method at one broker.
 *
 * @param deadlineMs absolute time (ms since 1970) by which the answer must be there, connecting included.
 * @param mayBegin asked once connected; if false nothing is sent and the outcome is CANCELLED.
 * @returns the answer, or how it failed. Never rejects.
 */
export async function callOnce<RequestIn, RequestOut, ResponseIn, ResponseOut>(
  connection: BrokerConnection,
  method: RpcMethod<RequestIn, RequestOut, ResponseIn, ResponseOut>,
  request: RequestIn,
  deadlineMs: number,
  signal: AbortSignal,
  mayBegin: () => boolean = () => true,
): Promise<{ readonly response: ResponseOut } | CallFailure> {
  let client: Awaited<ReturnType<BrokerConnection['ready']>>
  try {
    client = await withAbort(withDeadline(connection, deadlineMs), signal)
  } catch (error) {
    return { error: error as StratalogError, sent: false }
  }
  if (!mayBegin()) return { error: new StratalogError('CANCELLED'), sent: false }
  return new Promise((resolve) => {
    const call = client.makeUnaryRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      request,
      new Metadata(),
      { deadline: deadlineMs },
      (error: ServiceError | null, response?: ResponseOut) => {
        stop()
        if (error === null) resolve({ response: response as ResponseOut })
        else
          resolve({ error: signal.aborted ? abortError(signal) : fromCallError(error, connection.address), sent: true })
      },
    )
    const stop = onAbort(signal, () => call.cancel())
  })
}

function withDeadline(connection: BrokerConnection, deadlineMs: number): ReturnType<BrokerConnection['ready']> {
  return new Promise((resolve, reject) => {
    const name = formatAddress(connection.address)
    const timer = setTimeout(
      () => reject(new StratalogError('REQUEST_TIMED_OUT', `broker ${name} could not be reached in time`)),
      Math.max(0, deadlineMs - Date.now()),
    )
    connection
      .ready()
      .then(resolve, reject)
      .finally(() => clearTimeout(timer))
  })
}
