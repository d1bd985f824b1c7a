/**
 * Snapshots with state on their way through the simulated network: cut into chunks, put together, and handed over whole.
 *
 * What a shell does around `SnapshotSender` and `SnapshotReceiver`, with everything that can happen to it: chunks and
 * answers are lost, repeated, reordered and late like any message, either side may crash, a receiver that restarts has
 * nothing left, and a sender may give up in the middle.
 *
 * Invariant: a state that is complete is, byte for byte, the one that was sent.
 */
import type { NodeId } from '../../core/ids.ts'
import type { SnapshotMessage } from '../../core/messages.ts'
import { type ChunkResult, type SnapshotChunk, SnapshotSender } from '../../core/snapshot-chunks.ts'
import type { Random } from './random.ts'
import type { SimNetwork } from './sim-network.ts'
import { type SimNode, STATE_BYTES_MAX } from './sim-node.ts'
import { hold } from './violation.ts'

/** After this long without news a sender starts again from where the receiver was. */
const RETRY_MS = 400
/** Retries before a sender gives up. */
const RETRY_COUNT_MAX = 20

/** What a transfer needs from the cluster. */
export interface TransferEnds {
  readonly network: SimNetwork
  readonly random: Random
  node(id: NodeId): SimNode | undefined
  /** Runs something at a node that is up: now, or when it no longer stands still. */
  at(node: SimNode, run: () => void): void
  /** Runs something later in the present life of a node. */
  after(node: SimNode, delayMs: number, run: () => void): void
  /** Everything has arrived: the message may be handled. */
  complete(message: SnapshotMessage): void
  /** The sender knows what became of it. */
  done(message: SnapshotMessage, ok: boolean): void
  note(node: NodeId, text: () => string): void
}

/** One attempt to bring one state to one node. */
export class SnapshotTransfer {
  readonly #ends: TransferEnds
  readonly #message: SnapshotMessage
  readonly #sender: SnapshotSender
  readonly #life: number
  /** Where the receiver was when last heard of, and where the sender last went back to. */
  #known = 0
  #resumedAt = -1
  #heard = false
  #retryCount = 0
  #ended = false

  constructor(ends: TransferEnds, message: SnapshotMessage) {
    const { position, term, data } = message.snapshot
    const { random } = ends
    this.#ends = ends
    this.#message = message
    this.#sender = new SnapshotSender(
      position,
      term,
      stateOf(data as number),
      random.between(20, 200),
      random.pick([1, 2, 4]),
    )
    this.#life = ends.node(message.from)!.life
  }

  start(): void {
    this.#push()
    this.#watch()
  }

  #push(): void {
    for (let chunk = this.#sender.next(); chunk !== null; chunk = this.#sender.next()) this.#carry(chunk)
  }

  #watch(): void {
    const from = this.#ends.node(this.#message.from)!
    this.#ends.after(from, RETRY_MS, () => {
      if (this.#ended) return
      if (!this.#heard) {
        this.#retryCount++
        this.#sender.resumeAt(this.#known)
      }
      this.#heard = false
      if (this.#retryCount > RETRY_COUNT_MAX || this.#ends.random.chance(0.05)) {
        this.#end(false)
        return
      }
      this.#push()
      this.#watch()
    })
  }

  #carry(chunk: SnapshotChunk): void {
    const { from, to } = this.#message
    const { network } = this.#ends
    network.carry(from, to, () => {
      const receiver = this.#ends.node(to)
      if (receiver?.up !== true) return
      this.#ends.at(receiver, () => {
        const result = this.#accept(receiver, chunk)
        network.carry(to, from, () => this.#answered(result))
      })
    })
  }

  #accept(receiver: SimNode, chunk: SnapshotChunk): ChunkResult {
    const result = receiver.states.accept(chunk)
    const { position, term, offset, bytes } = chunk
    this.#ends.note(receiver.id, () => {
      const where = result.kind === 'complete' ? '' : ` ${result.nextOffset}`
      return `gets bytes ${offset}..${offset + bytes.length} of the state at ${position}@${term}: ${result.kind}${where}`
    })
    if (result.kind !== 'complete') return result
    const { data } = this.#message.snapshot
    hold(
      isStateOf(result.data, data as number),
      'snapshot-whole',
      () => `${receiver.id} puts ${position}@${term} together wrongly`,
    )
    this.#ends.complete(this.#message)
    return result
  }

  #answered(result: ChunkResult): void {
    const from = this.#ends.node(this.#message.from)
    if (this.#ended || from?.up !== true || from.life !== this.#life) return
    this.#ends.at(from, () => this.#act(result))
  }

  #act(result: ChunkResult): void {
    if (this.#ended) return
    this.#heard = true
    if (result.kind === 'complete') this.#end(true)
    else if (result.kind === 'refused' && result.reason !== 'gap') this.#end(false)
    else {
      const { nextOffset } = result
      if (result.kind === 'more') this.#sender.acknowledge(nextOffset)
      // Every chunk that overtook another says the same: going back for each would send ever more of them.
      else if (nextOffset !== this.#resumedAt) {
        this.#resumedAt = nextOffset
        this.#sender.resumeAt(nextOffset)
      }
      this.#known = nextOffset
      this.#push()
    }
  }

  #end(ok: boolean): void {
    this.#ended = true
    this.#ends.done(this.#message, ok)
  }
}

/** The application's state in bytes: its hash, and what follows from it. */
function stateOf(hash: number): Uint8Array {
  const bytes = new Uint8Array((hash >>> 0) % (STATE_BYTES_MAX + 1))
  for (let i = 0; i < bytes.length; i++) bytes[i] = byteOf(hash, i)
  return bytes
}

function isStateOf(bytes: Uint8Array, hash: number): boolean {
  return bytes.length === (hash >>> 0) % (STATE_BYTES_MAX + 1) && bytes.every((byte, i) => byte === byteOf(hash, i))
}

function byteOf(hash: number, i: number): number {
  return Math.imul(hash ^ i, 0x01000193) >>> 24
}
