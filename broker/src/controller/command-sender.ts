/**
 * Gets a command to the controller, wherever it is, and its answer back: here, at a peer, or later.
 *
 * A command has one id however often it is sent, so that it takes effect once. It is sent again after whatever may pass
 * (no leader, a leader that has moved, a connection that broke) until its time is up. The answer is given once this
 * broker's own image contains what it tells of.
 */
import { isStratalogError, StratalogError } from '@stratalog/proto'
import { deferred } from '../partition/deferred.ts'
import type { Peers } from '../peer/peer-port.ts'
import type { Clock } from '../replication/tick-loop.ts'
import {
  type ControllerAnswer,
  type ControllerRequest,
  decodeControllerAnswer,
  encodeControllerRequest,
} from './controller-protocol.ts'
import { type DecisionLoop, notController, type PendingCommand } from './decision-loop.ts'
import type { MetadataGroup } from './metadata-group.ts'

/** What peers know a request to the controller by. */
export const CONTROLLER_REQUEST = 'controller'

/** What a command sender is made of. */
export interface CommandSenderOptions {
  readonly brokerId: number
  readonly group: MetadataGroup
  readonly decisions: DecisionLoop
  /** Null in a cluster of one broker. */
  readonly peers: Pick<Peers, 'request'> | null
  readonly clock: Clock
  /** Draws from [0, 1): spreads repetitions. */
  readonly random: () => number
}

const PAUSE_MIN_MS = 10
const PAUSE_MAX_MS = 500
/** A peer that does not answer for this long is asked anew: it may have lost the lead while it waited. */
const ATTEMPT_MAX_MS = 5000

/** Failures that may pass; the command is repeated under its id. */
const PASSING: ReadonlySet<string> = new Set([
  'NOT_CONTROLLER',
  'LEADER_NOT_AVAILABLE',
  'NOT_LEADER_OR_FOLLOWER',
  'BROKER_NOT_AVAILABLE',
  'NETWORK_EXCEPTION',
  'REQUEST_TIMED_OUT',
  'SHUTTING_DOWN',
  'OVERLOADED',
])

/** See the file's header. Owner: the controller. */
export class CommandSender {
  readonly #options: CommandSenderOptions
  readonly #wakers = new Set<() => void>()
  /** Ends what is under way. */
  readonly #aborts = new Set<(error: StratalogError) => void>()
  readonly #stopListening: () => void
  #lastLeadership: string
  #closed = false

  constructor(options: CommandSenderOptions) {
    this.#options = options
    this.#lastLeadership = leadershipOf(options.group)
    this.#stopListening = options.group.onAdvance(() => this.#onAdvance())
  }

  /**
   * Errors: those of the decision; NOT_CONTROLLER, BROKER_NOT_AVAILABLE or REQUEST_TIMED_OUT when the time is up;
   * SHUTTING_DOWN.
   */
  async send(command: PendingCommand): Promise<ControllerAnswer> {
    if (this.#closed) throw new StratalogError('SHUTTING_DOWN')
    const { promise, resolve, reject } = deferred<ControllerAnswer>()
    this.#aborts.add(reject)
    this.#sendUntilAnswered(command).then(resolve, reject)
    try {
      return await promise
    } finally {
      this.#aborts.delete(reject)
    }
  }

  async #sendUntilAnswered(command: PendingCommand): Promise<ControllerAnswer> {
    const { clock } = this.#options
    const deadlineMs = clock.nowMs() + command.timeoutMs
    for (let pauseMs = PAUSE_MIN_MS; ; pauseMs = Math.min(PAUSE_MAX_MS, pauseMs * 2)) {
      if (this.#closed) throw new StratalogError('SHUTTING_DOWN')
      try {
        const answer = await this.#attempt(command, deadlineMs - clock.nowMs())
        await this.#reached(answer.metadataOffset, deadlineMs - clock.nowMs())
        return answer
      } catch (error) {
        if (!isStratalogError(error) || !PASSING.has(error.code) || this.#closed) throw error
        if (this.#options.group.end !== null) throw this.#options.group.end
        if (clock.nowMs() + pauseMs >= deadlineMs) throw error
      }
      await this.#pause(pauseMs * (0.5 + this.#options.random() / 2))
    }
  }

  /** Passes on what another broker asked, once. Errors: as for a peer that cannot be reached, and those of the controller. */
  forward(request: ControllerRequest): Promise<Buffer> {
    const { peers, group, brokerId } = this.#options
    const { leaderId } = group
    if (peers === null || leaderId === null || leaderId === brokerId) throw notController(group)
    const body = encodeControllerRequest({ ...request, mayForward: false })
    return peers.request(leaderId, CONTROLLER_REQUEST, body, request.timeoutMs)
  }

  /** Sends nothing any more. What is under way is answered with SHUTTING_DOWN; it may take effect yet. */
  close(): void {
    this.#closed = true
    this.#stopListening()
    for (const abort of this.#aborts) abort(new StratalogError('SHUTTING_DOWN'))
    this.#wake()
  }

  async #attempt(pending: PendingCommand, remainingMs: number): Promise<ControllerAnswer> {
    const { decisions, group } = this.#options
    if (group.isLeader) return decisions.submit({ ...pending, timeoutMs: Math.max(1, remainingMs) })
    const { commandId, command, validateOnly } = pending
    if (command.type === 'found-cluster') throw notController(group)
    const timeoutMs = Math.max(1, Math.min(remainingMs, ATTEMPT_MAX_MS))
    return decodeControllerAnswer(await this.forward({ commandId, command, validateOnly, timeoutMs, mayForward: true }))
  }

  /** Waits until this broker has followed that far. Errors: REQUEST_TIMED_OUT. */
  async #reached(metadataOffset: number, remainingMs: number): Promise<void> {
    const { group, clock } = this.#options
    const { promise, resolve, reject } = deferred<void>()
    const cancel = clock.schedule(Math.max(1, remainingMs), () => {
      const text = `the change is made, but this broker has not followed the metadata up to offset ${metadataOffset} yet`
      reject(new StratalogError('REQUEST_TIMED_OUT', text))
    })
    group.reached(metadataOffset).then(resolve, reject)
    try {
      await promise
    } finally {
      cancel()
    }
  }

  /** Waits; a change of leadership ends it early. */
  #pause(pauseMs: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        cancel()
        this.#wakers.delete(wake)
        resolve()
      }
      const cancel = this.#options.clock.schedule(pauseMs, wake)
      this.#wakers.add(wake)
    })
  }

  #onAdvance(): void {
    const leadership = leadershipOf(this.#options.group)
    if (leadership === this.#lastLeadership) return
    this.#lastLeadership = leadership
    this.#wake()
  }

  #wake(): void {
    for (const wake of this.#wakers) wake()
  }
}

function leadershipOf({ isLeader, leaderId, leaderEpoch }: MetadataGroup): string {
  return `${leaderEpoch} ${leaderId} ${isLeader}`
}
