/**
 * One broker as a child process: started, awaited until it serves, stopped.
 *
 * Its log goes to a file. Invariant: after `stop` or `exited` the process is gone.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, mkdirSync, openSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { CommandError } from '../command-error.ts'
import type { Failure } from '../output/failure.ts'
import type { BrokerMessage } from './broker-messages.ts'

/** What to run. */
export interface BrokerProcessOptions {
  readonly brokerId: number
  /** Its own folder; created when missing. */
  readonly dataDir: string
  readonly host: string
  /** 0 = a free one. */
  readonly port: number
  /** Appended to. */
  readonly logPath: string
  /** Further settings of docs/config.md. Other brokers reach it at a free port unless they say where. */
  readonly settings?: Readonly<Record<string, string>>
  /** Flags of the broker's Node, such as `--cpu-prof`. */
  readonly nodeFlags?: readonly string[]
}

/** A failure that a broker process reported before it ended. */
export class BrokerStartError extends Error {
  override readonly name = 'BrokerStartError'
  readonly code: string
  readonly hint: string
  readonly exitStatus: number

  constructor(failure: Failure) {
    super(failure.message)
    this.code = failure.code
    this.hint = failure.hint
    this.exitStatus = failure.exitStatus
  }
}

const STOP_TIMEOUT_MS = 20_000
const FROM_SOURCE = import.meta.url.endsWith('.ts')

/** A running broker process. */
export class BrokerProcess {
  readonly brokerId: number
  readonly host: string
  readonly port: number
  readonly dataDir: string
  readonly logPath: string
  /** Resolves with a sentence about its end, wanted or not. */
  readonly exited: Promise<string>
  readonly #child: ChildProcess
  readonly #options: BrokerProcessOptions

  private constructor(child: ChildProcess, exited: Promise<string>, options: BrokerProcessOptions, port: number) {
    this.#child = child
    this.#options = options
    this.exited = exited
    this.brokerId = options.brokerId
    this.host = options.host
    this.port = port
    this.dataDir = options.dataDir
    this.logPath = options.logPath
  }

  /**
   * Starts a broker and resolves when it serves.
   *
   * Errors: BrokerStartError with the broker's own code (`PORT_IN_USE`, `DATA_DIRECTORY_IN_USE`, ...); `BROKER_EXITED` if
   * it ended without a word, naming its log.
   */
  static async start(options: BrokerProcessOptions): Promise<BrokerProcess> {
    const child = spawnBroker(options)
    const exited = new Promise<string>((resolve) => {
      child.once('error', (error) => resolve(`could not be started: ${error.message}`))
      child.once('exit', (status, signal) =>
        resolve(signal === null ? `ended with status ${status}` : `was ended by ${signal}`),
      )
    })
    const message = await Promise.race([firstMessage(child), exited])
    if (typeof message === 'string') {
      throw new CommandError(
        'BROKER_EXITED',
        `broker ${options.brokerId} ${message}`,
        `read its log: ${options.logPath}`,
      )
    }
    if (message.kind === 'failed') {
      await exited
      throw new BrokerStartError(message.failure)
    }
    return new BrokerProcess(child, exited, options, message.port)
  }

  /** `host:port` for clients. */
  get address(): string {
    return `${this.host}:${this.port}`
  }

  /** `host:port` for other brokers, as it was given. */
  get peerAddress(): string {
    return this.#options.settings?.['peer.listen'] ?? ''
  }

  /** Process id. */
  get pid(): number {
    return this.#child.pid ?? -1
  }

  /** Starts it again as it was, at the same port, once it has ended. Errors: as {@link start}. */
  again(): Promise<BrokerProcess> {
    return BrokerProcess.start({ ...this.#options, port: this.port })
  }

  /** Ends it in order; by force after a time. Resolves when it is gone. */
  async stop(): Promise<void> {
    this.#child.kill('SIGTERM')
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_TIMEOUT_MS)
    await this.exited
    clearTimeout(timer)
  }

  /** Ends it as a crash would: SIGKILL, nothing flushed or closed. Resolves when it is gone. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.exited
  }
}

function spawnBroker(options: BrokerProcessOptions): ChildProcess {
  mkdirSync(dirname(options.logPath), { recursive: true })
  const log = openSync(options.logPath, 'a')
  const main = fileURLToPath(new URL(FROM_SOURCE ? '../main.ts' : '../main.js', import.meta.url))
  const peerListen = { 'peer.listen': `${options.host}:0` }
  const settings = { 'broker.id': String(options.brokerId), ...peerListen, ...options.settings }
  try {
    return spawn(
      process.execPath,
      [
        ...(FROM_SOURCE ? ['--conditions=typescript-source'] : []),
        ...(options.nodeFlags ?? []),
        main,
        'broker',
        ...['--data', options.dataDir, '--listen', `${options.host}:${options.port}`],
        ...Object.entries(settings).flatMap(([name, value]) => ['--set', `${name}=${value}`]),
      ],
      {
        stdio: ['ignore', 'ignore', log, 'ipc'],
        // The terminal's Ctrl-C is for this process, which stops the brokers when what uses them has ended. Should it
        // die, the brokers see the end of their channel.
        detached: process.platform !== 'win32',
        env: { ...process.env, UV_THREADPOOL_SIZE: process.env['UV_THREADPOOL_SIZE'] ?? '16' },
      },
    )
  } finally {
    closeSync(log)
  }
}

function firstMessage(child: ChildProcess): Promise<BrokerMessage> {
  return new Promise((resolve) => child.once('message', (message) => resolve(message as BrokerMessage)))
}
