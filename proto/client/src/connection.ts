/**
 * One channel to one broker for one purpose: made on demand, replaced when it breaks.
 *
 * Invariant: at most one connection attempt is under way; all who ask meanwhile share its outcome.
 * Invariant: a channel that has left READY is never used again; grpc-js's own reconnection is not relied on, as it has
 * no connect timeout (broker-probe.ts).
 * Owner: the connection pool. Who fails and wants to try again waits by a backoff of its own.
 */
import { connectivityState, credentials, Client as GrpcClient } from '@grpc/grpc-js'
import { StratalogError } from '@stratalog/proto'
import { abortError, onAbort } from './abort.ts'
import { type BrokerAddress, formatAddress } from './address.ts'
import { probeBroker } from './broker-probe.ts'
import { unreachable } from './call-error.ts'
import { channelOptions } from './channel-options.ts'
import type { ResolvedClientOptions } from './options.ts'

/** What the channel is for; each purpose has its own so that bulk data never holds up a small call. */
export type Purpose = 'call' | 'produce' | 'fetch' | 'watch'

/** See the head of this file. */
export class BrokerConnection {
  readonly address: BrokerAddress
  readonly purpose: Purpose
  readonly #options: ResolvedClientOptions
  readonly #closing = new AbortController()
  #channel: GrpcClient | null = null
  #attempt: Promise<GrpcClient> | null = null

  constructor(address: BrokerAddress, purpose: Purpose, options: ResolvedClientOptions) {
    this.address = address
    this.purpose = purpose
    this.#options = options
  }

  /**
   * A channel that is connected.
   * Errors: BROKER_NOT_AVAILABLE naming the address, within `connectTimeoutMs`; CLIENT_CLOSED.
   */
  ready(): Promise<GrpcClient> {
    if (this.#closing.signal.aborted) return Promise.reject(abortError(this.#closing.signal))
    if (this.#channel !== null) return Promise.resolve(this.#channel)
    this.#attempt ??= this.#connect().finally(() => {
      this.#attempt = null
    })
    return this.#attempt
  }

  /** Gives up this channel: calls on it end, and the next `ready()` makes another. */
  discard(channel: GrpcClient): void {
    if (this.#channel === channel) this.#channel = null
    channel.close()
  }

  /** Gives up whatever channel there is; the next `ready()` makes another. */
  discardCurrent(): void {
    if (this.#channel !== null) this.discard(this.#channel)
  }

  /** Final; an attempt under way ends with CLIENT_CLOSED. */
  close(): void {
    this.#closing.abort(new StratalogError('CLIENT_CLOSED'))
    this.discardCurrent()
  }

  async #connect(): Promise<GrpcClient> {
    const { connectTimeoutMs, clientId, receiveMessageBytesMax, logger } = this.#options
    const signal = this.#closing.signal
    const deadlineMs = Date.now() + connectTimeoutMs
    const name = formatAddress(this.address)
    let channel: GrpcClient | null = null
    try {
      await probeBroker(this.address, connectTimeoutMs, signal)
      channel = new GrpcClient(name, credentials.createInsecure(), channelOptions(clientId, receiveMessageBytesMax))
      await becomesReady(channel, deadlineMs, signal)
    } catch (error) {
      channel?.close()
      if (signal.aborted) throw abortError(signal)
      logger.debug({ broker: name, purpose: this.purpose, err: error }, 'broker cannot be reached')
      throw unreachable(this.address, error)
    }
    this.#channel = channel
    this.#watch(channel)
    logger.debug({ broker: name, purpose: this.purpose }, 'connected')
    return channel
  }

  #watch(channel: GrpcClient): void {
    channel.getChannel().watchConnectivityState(connectivityState.READY, Infinity, () => {
      if (this.#channel === channel) this.discard(channel)
    })
  }
}

/** Resolves once the channel is READY; rejects when an attempt failed, at the deadline, or at the signal. */
function becomesReady(client: GrpcClient, deadlineMs: number, signal: AbortSignal): Promise<void> {
  return new Promise<void>((resolve, reject) => {
    const channel = client.getChannel()
    const timer = setTimeout(
      () => finish(new Error('no HTTP/2 connection in time')),
      Math.max(1, deadlineMs - Date.now()),
    )
    const stop = onAbort(signal, () => finish(abortError(signal)))
    let done = false
    const finish = (error: Error | null): void => {
      if (done) return
      done = true
      clearTimeout(timer)
      stop()
      if (error === null) resolve()
      else reject(error)
    }
    const look = (): void => {
      if (done) return
      const state = channel.getConnectivityState(true)
      if (state === connectivityState.READY) finish(null)
      else if (state === connectivityState.TRANSIENT_FAILURE) finish(new Error('the HTTP/2 connection failed'))
      else if (state === connectivityState.SHUTDOWN) finish(new Error('the channel was closed'))
      else channel.watchConnectivityState(state, Infinity, look)
    }
    look()
  })
}
