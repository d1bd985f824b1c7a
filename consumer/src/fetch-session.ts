/**
 * One fetch stream to one broker: sends what the core wants sent, hands over what comes, says when it is over.
 *
 * It does not reconnect: the fetcher opens another session, perhaps to another broker, and the core attaches the
 * partitions there. Commands of one turn of the event loop travel in one message.
 */
import {
  type BrokerAddress,
  type BrokerStream,
  type Client,
  formatAddress,
  type StratalogError,
} from '@stratalog/client'
import { FetchService, type stratalog } from '@stratalog/proto'
import type { StreamCommands } from './command-outbox.ts'

/** Near upper bounds of what a command takes on the wire, for the stream's write budget. */
const START_BYTES = 128
const COMMAND_BYTES = 24

/** What a session tells its owner. */
export interface SessionHandlers {
  /** What is to be sent now, or null. */
  readonly drain: (session: FetchSession) => StreamCommands | null
  readonly onData: (session: FetchSession, data: readonly stratalog.v1.FetchData.$Properties[]) => void
  /** The stream is over; `null` when the broker ended it in order. Not called after `close`. */
  readonly onEnd: (session: FetchSession, error: StratalogError | null) => void
}

/** See the file's header. */
export class FetchSession {
  readonly id: number
  readonly address: BrokerAddress
  /** `host:port`. */
  readonly name: string
  readonly #handlers: SessionHandlers
  readonly #stream: BrokerStream<stratalog.v1.FetchRequest.$Properties, stratalog.v1.FetchResponse>
  #isScheduled = false
  #isFull = false
  /** Whether anything has come yet. */
  heard = false
  /** By the same clock as `performance.now`. */
  readonly openedMs: number = performance.now()

  /** Errors: CLIENT_CLOSED, thrown. */
  constructor(client: Client, id: number, address: BrokerAddress, handlers: SessionHandlers) {
    this.id = id
    this.address = address
    this.name = formatAddress(address)
    this.#handlers = handlers
    this.#stream = client.openStream(FetchService.fetchStream, address, 'fetch', {
      onMessage: (response) => handlers.onData(this, response.data),
      onEnd: (error) => handlers.onEnd(this, error),
      onDrain: () => {
        this.#isFull = false
        this.schedule()
      },
    })
  }

  /** The core has something to send. */
  schedule(): void {
    if (this.#isScheduled || this.#isFull) return
    this.#isScheduled = true
    queueMicrotask(() => {
      this.#isScheduled = false
      this.#send()
    })
  }

  /** Ends the stream. `silent` gives up its connection too: it has not been heard from. */
  close(options: { readonly silent: boolean } = { silent: false }): void {
    this.#stream.close({ discardConnection: options.silent })
  }

  #send(): void {
    if (this.#stream.ended || this.#isFull) return
    const commands = this.#handlers.drain(this)
    if (commands === null) return
    const { starts, credits, stops } = commands
    if (starts.length + credits.length + stops.length === 0) return
    const bytes = starts.length * START_BYTES + (credits.length + stops.length) * COMMAND_BYTES
    this.#isFull = !this.#stream.write(commands, bytes)
  }
}
