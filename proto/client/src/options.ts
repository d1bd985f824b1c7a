/** Options of a client: defaults, ranges, and where they come from (option, then environment, then default). */
import { type BrokerAddress, parseAddresses } from './address.ts'
import { type Logger, SILENT_LOGGER } from './logger.ts'
import { checkedInteger, type NumberRange } from './option-check.ts'

/** What `createClient` takes. Every option has a default. */
export interface ClientOptions {
  /**
   * Brokers to begin with, `HOST:PORT`, an array or separated by commas; one that answers is enough, the others are
   * learned from it. Default: environment variable `STRATALOG_BOOTSTRAP`, or `127.0.0.1:9400`.
   */
  readonly bootstrap?: string | readonly string[]
  /** Name of this client in logs; default `stratalog-client`. */
  readonly clientId?: string
  /** Time to reach a broker, TCP and HTTP/2 together; 1..600,000 ms, default 5,000. */
  readonly connectTimeoutMs?: number
  /** Deadline of a call with one answer; 1..3,600,000 ms, default 30,000. */
  readonly requestTimeoutMs?: number
  /** Largest message taken from a broker; 1 MiB..1 GiB, default 64 MiB. */
  readonly receiveMessageBytesMax?: number
  /** Default: none. */
  readonly logger?: Logger
}

/** Options with defaults filled in and checked. */
export interface ResolvedClientOptions {
  readonly bootstrap: readonly BrokerAddress[]
  readonly clientId: string
  readonly connectTimeoutMs: number
  readonly requestTimeoutMs: number
  readonly receiveMessageBytesMax: number
  readonly logger: Logger
}

const DEFAULT_BOOTSTRAP = '127.0.0.1:9400'
const MIB = 1024 * 1024
const CONNECT_TIMEOUT_MS: NumberRange = { default: 5_000, min: 1, max: 600_000 }
const REQUEST_TIMEOUT_MS: NumberRange = { default: 30_000, min: 1, max: 3_600_000 }
const RECEIVE_MESSAGE_BYTES: NumberRange = { default: 64 * MIB, min: MIB, max: 1024 * MIB }

/** Fills in defaults and checks. Errors: INVALID_CONFIG naming the option, its value and what is allowed. */
export function resolveClientOptions(
  options: ClientOptions,
  environment: NodeJS.ProcessEnv = process.env,
): ResolvedClientOptions {
  const { STRATALOG_BOOTSTRAP } = environment
  return {
    bootstrap:
      options.bootstrap === undefined
        ? parseAddresses(STRATALOG_BOOTSTRAP || DEFAULT_BOOTSTRAP, 'environment variable STRATALOG_BOOTSTRAP')
        : parseAddresses(options.bootstrap, 'option bootstrap'),
    clientId: options.clientId ?? 'stratalog-client',
    connectTimeoutMs: checkedInteger('connectTimeoutMs', options.connectTimeoutMs, CONNECT_TIMEOUT_MS),
    requestTimeoutMs: checkedInteger('requestTimeoutMs', options.requestTimeoutMs, REQUEST_TIMEOUT_MS),
    receiveMessageBytesMax: checkedInteger(
      'receiveMessageBytesMax',
      options.receiveMessageBytesMax,
      RECEIVE_MESSAGE_BYTES,
    ),
    logger: options.logger ?? SILENT_LOGGER,
  }
}
