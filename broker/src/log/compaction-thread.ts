/**
 * The engine of compaction in a thread of its own: reading and writing stay with the broker, hashing, expanding and
 * compressing do not.
 *
 * The thread is started by the first round and ended when no round has come for a while, so a broker without compacted
 * topics has none. Chunks are copied once on the way in, into memory that passes to the thread. One round at a time.
 */
import { Worker } from 'node:worker_threads'
import { invariant } from '@stratalog/proto'
import type { CompactionReply, CompactionRequest, SentChunk } from './compaction-messages.ts'
import {
  ChunkFault,
  type CompactionChunk,
  type CompactionEngine,
  type MappedChunk,
  type RoundStart,
  type ThinnedChunk,
  type ThinRequest,
} from './compaction-rounds.ts'

/** Source and compiled code run alike. */
const EXTENSION = import.meta.filename.slice(-3)
/** How long an idle thread is kept, ms. */
const IDLE_MS = 30_000

interface Pending {
  readonly resolve: (reply: CompactionReply) => void
  readonly reject: (error: Error) => void
}

/** See the file's header. Owner: the broker; one per process. */
export class CompactionThread implements CompactionEngine {
  #worker: Worker | null = null
  #pending: Pending | null = null
  #idleTimer: NodeJS.Timeout | null = null

  async begin(start: RoundStart): Promise<void> {
    if (this.#idleTimer !== null) clearTimeout(this.#idleTimer)
    this.#idleTimer = null
    await this.#ask({ kind: 'begin', start }, [])
  }

  async map(chunk: CompactionChunk): Promise<MappedChunk> {
    const sent = sentChunk(chunk)
    const reply = await this.#ask({ kind: 'map', chunk: sent }, [sent.bytes.buffer as ArrayBuffer])
    invariant(reply.kind === 'mapped', () => `a request to map is answered with ${reply.kind}`)
    return reply.mapped
  }

  async thin(request: ThinRequest): Promise<ThinnedChunk> {
    const { end, tombstonesEnd } = request
    const sent = sentChunk(request)
    const reply = await this.#ask({ kind: 'thin', chunk: sent, end, tombstonesEnd }, [sent.bytes.buffer as ArrayBuffer])
    invariant(reply.kind === 'thinned', () => `a request to thin is answered with ${reply.kind}`)
    const { bytes, thinned } = reply
    return { ...thinned, bytes: bytes === null ? null : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength) }
  }

  async end(): Promise<void> {
    // A thread that has died has nothing to let go of.
    if (this.#worker !== null) await this.#ask({ kind: 'end' }, [])
    this.#idleTimer = setTimeout(() => void this.close(), IDLE_MS)
    this.#idleTimer.unref()
  }

  /** Ends the thread; the next round starts another. */
  async close(): Promise<void> {
    if (this.#idleTimer !== null) clearTimeout(this.#idleTimer)
    this.#idleTimer = null
    const worker = this.#worker
    this.#worker = null
    await worker?.terminate()
  }

  async #ask(request: CompactionRequest, transfer: readonly ArrayBuffer[]): Promise<CompactionReply> {
    invariant(this.#pending === null, 'one request at a time')
    this.#worker ??= this.#start()
    const worker = this.#worker
    worker.ref()
    try {
      const reply = await new Promise<CompactionReply>((resolve, reject) => {
        this.#pending = { resolve, reject }
        worker.postMessage(request, [...transfer])
      })
      if (reply.kind === 'fault') throw new ChunkFault(reply.offset, reply.at, reply.reason)
      if (reply.kind === 'failed') throw new Error(`compaction: ${reply.message}`)
      return reply
    } finally {
      this.#pending = null
      worker.unref()
    }
  }

  #start(): Worker {
    const worker = new Worker(new URL(`./compaction-worker${EXTENSION}`, import.meta.url), { name: 'compaction' })
    worker.on('message', (reply: CompactionReply) => this.#pending?.resolve(reply))
    worker.on('error', (error) => this.#ended(worker, error))
    worker.on('exit', (code) => this.#ended(worker, new Error(`the thread of compaction has ended with code ${code}`)))
    return worker
  }

  #ended(worker: Worker, error: Error): void {
    if (this.#worker === worker) this.#worker = null
    this.#pending?.reject(error)
  }
}

/** The chunk in memory of its own. */
function sentChunk({ bytes, baseOffset, leastEpoch }: CompactionChunk): SentChunk {
  return { bytes: new Uint8Array(bytes), baseOffset, leastEpoch }
}
