/**
 * The interaction scripts: whole groups, driven step by step, every Ready and message printed and compared.
 *
 * What etcd does in one `Advance`, or by messages from its storage threads, is done here with the same core functions that
 * RawNode uses, so that each response can be delivered when the script says.
 */
import { startElection } from '../../core/election.ts'
import { forgetLeader } from '../../core/follower.ts'
import { reportUnreachable, transferLeadership } from '../../core/leader.ts'
import { isVoter } from '../../core/membership.ts'
import type { Message } from '../../core/messages.ts'
import { propose, proposeConfChange } from '../../core/proposals.ts'
import type { Ready } from '../../core/ready.ts'
import { applied, stored } from '../../core/ready-builder.ts'
import type { ProposeResult } from '../../core/results.ts'
import { step } from '../../core/step.ts'
import { tick } from '../../core/tick.ts'
import { validateMessage } from '../../core/validate.ts'
import { addNodes } from './add-nodes.ts'
import { parseSteps } from './confchange-suite.ts'
import { argOf, type CommandArg, type Directive, parseCommand } from './datadriven.ts'
import {
  describeAppendDone,
  describeAppendWork,
  describeApplyDone,
  describeApplyWork,
  describeEntry,
  describeMessage,
  describeProgress,
  describeRole,
  describeType,
  V1_CONTEXT,
} from './describe.ts'
import { describeReady } from './describe-ready.ts'
import { Output } from './output.ts'
import type { ScriptNode } from './script-node.ts'

/** Something on its way to a node: a message, or word from its own storage threads. */
interface Delivery {
  readonly to: number
  /** Local deliveries are never dropped. */
  readonly local: boolean
  readonly type: string
  readonly text: string
  deliver(): string | null
}

/** One script's group. */
export class InteractionSuite {
  readonly #output: Output = new Output()
  readonly #nodes: ScriptNode[] = []
  #queue: Delivery[] = []

  run(directive: Directive): string {
    this.#output.clear()
    let error = this.#handle(directive.command, directive.args, directive.input)
    if (directive.command !== 'propose-conf-change') {
      for (const line of directive.input.split('\n').filter((text) => text !== '')) {
        const { command, args } = parseCommand(line)
        error ??= this.#handle(command, args, '')
      }
    }
    if (error !== null && this.#output.quiet) return error
    if (error !== null) this.#output.write(error)
    return this.#output.text === '' ? 'ok' : this.#output.text
  }

  #handle(command: string, args: readonly CommandArg[], input: string): string | null {
    switch (command) {
      case 'add-nodes':
        return addNodes(this.#nodes, this.#output, args)
      case 'log-level':
        return this.#output.setLevel(args[0]!.key)
      case 'stabilize':
        return this.#stabilizeAt(args)
      case 'deliver-msgs':
        return this.#deliverMessages(args)
      case 'process-ready':
        return this.#each(args, 'handling Ready', (node) => this.#processReady(node))
      case 'process-append-thread':
        return this.#each(args, 'processing append thread', (node) => this.#processAppend(node))
      case 'process-apply-thread':
        return this.#each(args, 'processing apply thread', (node) => this.#processApply(node))
      case 'raft-state':
        return this.#showState()
      case 'transfer-leadership': {
        const from = this.#node(argOf(args, 'from')![0]!)
        transferLeadership(from.raft, Number(argOf(args, 'to')![0]))
        return null
      }
      default:
        return this.#handleAt(this.#node(args[0]!.key), command, args, input)
    }
  }

  #handleAt(node: ScriptNode, command: string, args: readonly CommandArg[], input: string): string | null {
    const { raft } = node
    switch (command) {
      case 'campaign':
        startElection(raft, raft.options.preVote ? 'pre-vote' : 'vote')
        return null
      case 'propose':
        return dropped(propose(raft, { length: 1, bytes: args[1]!.key.length, data: args[1]!.key }))
      case 'propose-conf-change':
        return this.#proposeConfChange(node, args, input)
      case 'compact':
        node.storage.compactTo(Number(args[1]!.key))
        return this.#showLog(node)
      case 'raft-log':
        return this.#showLog(node)
      case 'status':
        for (const peer of raft.role === 'leader' ? raft.tracker.members : []) {
          this.#output.line(`${peer.id}: ${describeProgress(peer)}`)
        }
        return null
      case 'tick-election':
      case 'tick-heartbeat': {
        const { electionTicks, heartbeatTicks } = raft.options
        const count = command === 'tick-election' ? electionTicks : heartbeatTicks
        for (let i = 0; i < count; i++) tick(raft)
        return null
      }
      case 'set-randomized-election-timeout':
        raft.electionTimeout = Number(argOf(args, 'timeout')![0])
        return null
      case 'forget-leader':
        forgetLeader(raft)
        return null
      case 'report-unreachable':
        reportUnreachable(raft, Number(args[1]!.key))
        return null
      case 'send-snapshot':
        return this.#sendSnapshot(node, this.#node(args[1]!.key))
      default:
        return 'unknown command'
    }
  }

  #node(id: string): ScriptNode {
    return this.#nodes[Number(id) - 1]!
  }

  #each(args: readonly CommandArg[], title: string, work: (node: ScriptNode) => void): null {
    const nodes = args.filter((arg) => arg.values.length === 0).map((arg) => this.#node(arg.key))
    for (const node of nodes) {
      if (nodes.length === 1) {
        work(node)
      } else {
        this.#output.line(`> ${node.id} ${title}`)
        this.#output.indent(() => work(node))
      }
    }
    return null
  }

  #proposeConfChange(node: ScriptNode, args: readonly CommandArg[], input: string): string | null {
    const v1 = argOf(args, 'v1')?.[0] === 'true'
    const transition = (argOf(args, 'transition')?.[0] ?? 'auto') as 'auto' | 'implicit' | 'explicit'
    const steps = parseSteps(input)
    const change = v1 ? { transition, steps, context: V1_CONTEXT } : { transition, steps }
    const result = proposeConfChange(node.raft, change)
    // Where raft-ts refuses a change, etcd logs an empty entry in its place.
    if (result.kind !== 'conf-change-refused') return dropped(result)
    return dropped(propose(node.raft, { length: 1, bytes: 0, data: '' }))
  }

  #showState(): null {
    for (const { id, raft } of this.#nodes) {
      const voter = isVoter(raft.confState, id) ? '(Voter)' : '(Non-Voter)'
      this.#output.line(
        `${id}: ${describeRole(raft.role)} ${voter} Term:${raft.term} Lead:${Math.max(0, raft.leaderId)}`,
      )
    }
    return null
  }

  #showLog(node: ScriptNode): null {
    const { storage } = node
    const [start, end] = [storage.startPosition(), storage.endPosition()]
    if (start === end) {
      this.#output.write(`log is empty: first index=${start + 1}, last index=${end}`)
      return null
    }
    const entries = storage.entries(start, end, Number.POSITIVE_INFINITY)
    if (typeof entries !== 'string') for (const entry of entries) this.#output.line(describeEntry(entry))
    return null
  }

  #sendSnapshot(from: ScriptNode, to: ScriptNode): null {
    const { raft, storage } = from
    const message: Message<string> = {
      type: 'snapshot',
      group: raft.options.group,
      from: from.id,
      to: to.id,
      term: raft.term,
      snapshot: storage.snapshot(),
    }
    this.#enqueue(message)
    this.#output.write(describeMessage(message))
    return null
  }

  #enqueue(message: Message<string>): void {
    this.#queue.push({
      to: message.to,
      local: message.to === message.from,
      type: describeType(message.type),
      text: describeMessage(message),
      deliver: () => this.#deliver(message),
    })
  }

  #deliver(message: Message<string>): string | null {
    const { raft } = this.#nodes[message.to - 1]!
    if (message.to === message.from) {
      step(raft, message)
      return null
    }
    const verdict = validateMessage(raft, message)
    if (verdict.kind === 'refused' && verdict.reason === 'unknown-peer') return 'raft: cannot step as peer not found'
    const result = verdict.kind === 'refused' ? verdict : step(raft, message)
    return result.kind === 'refused' ? `${result.reason}: ${result.detail}` : null
  }

  #processReady(node: ScriptNode): void {
    const ready = node.takeReady()
    const messages = node.async ? ready.messages : [...ready.messages, ...toOthers(node, ready)]
    this.#output.write(describeReady(node, ready, messages))
    if (node.async) this.#queueWork(node, ready)
    else this.#store(node, ready)
    for (const message of messages) this.#enqueue(message)
    if (!node.async) advance(node, ready)
  }

  #store(node: ScriptNode, ready: Ready<string>): void {
    if (ready.persist !== null) node.write(ready.persist)
    if (ready.committed !== null) node.apply(ready.committed.entries)
  }

  #queueWork(node: ScriptNode, ready: Ready<string>): void {
    if (ready.persist !== null) node.appendWork.push(ready.persist)
    if (ready.committed !== null) node.applyWork.push(ready.committed.entries)
  }

  #processAppend(node: ScriptNode): void {
    const request = node.appendWork.shift()
    if (request === undefined) {
      this.#output.write('no append work to perform')
      return
    }
    this.#output.line('Processing:')
    this.#output.line(describeAppendWork(node.id, request, []))
    node.write(request)
    node.builder.release()
    this.#output.line('Responses:')
    for (const response of request.responses) {
      this.#output.line(describeMessage(response))
      this.#enqueue(response)
    }
    if (request.attestation.term === 0 && request.snapshot === null) return
    const text = describeAppendDone(node.id, request)
    this.#output.line(text)
    const deliver = (): null => {
      stored(node.raft, request)
      return null
    }
    this.#queue.push({ to: node.id, local: true, type: 'MsgStorageAppendResp', text, deliver })
  }

  #processApply(node: ScriptNode): void {
    const entries = node.applyWork.shift()
    if (entries === undefined) {
      this.#output.write('no apply work to perform')
      return
    }
    this.#output.line('Processing:')
    this.#output.line(describeApplyWork(node.id, entries, []))
    node.apply(entries)
    const text = describeApplyDone(node.id, entries)
    this.#output.line('Responses:')
    this.#output.line(text)
    const deliver = (): null => {
      applied(node.raft, entries[entries.length - 1]!.end)
      return null
    }
    this.#queue.push({ to: node.id, local: true, type: 'MsgStorageApplyResp', text, deliver })
  }

  #deliverMessages(args: readonly CommandArg[]): null {
    const type = argOf(args, 'type')?.[0] ?? null
    const targets = args.filter((arg) => arg.values.length === 0).map((arg) => ({ id: Number(arg.key), drop: false }))
    for (const id of argOf(args, 'drop') ?? []) targets.push({ id: Number(id), drop: true })
    let count = 0
    for (const { id, drop } of targets) count += this.#deliverTo(id, type, drop)
    if (count === 0) this.#output.line('no messages')
    return null
  }

  #deliverTo(id: number, type: string | null, drop: boolean): number {
    const chosen = (item: Delivery): boolean =>
      item.to === id && !(drop && item.local) && (type === null || item.type === type)
    const items = this.#queue.filter(chosen)
    this.#queue = this.#queue.filter((item) => !chosen(item))
    for (const item of items) {
      this.#output.line(`${drop ? 'dropped: ' : ''}${item.text}`)
      if (drop) continue
      const error = item.deliver()
      if (error !== null) this.#output.line(error)
    }
    return items.length
  }

  #stabilizeAt(args: readonly CommandArg[]): null {
    const level = argOf(args, 'log-level')?.[0]
    const ids = args.filter((arg) => arg.values.length === 0)
    const nodes = ids.length === 0 ? this.#nodes : ids.map((arg) => this.#node(arg.key))
    const before = this.#output.level
    if (level !== undefined) this.#output.setLevel(level)
    while (this.#stabilizeOnce(nodes)) {
      // Until a fixed point.
    }
    this.#output.level = before
    return null
  }

  #stabilizeOnce(nodes: readonly ScriptNode[]): boolean {
    let worked = false
    const round = (due: (node: ScriptNode) => boolean, title: string, work: (node: ScriptNode) => void): void => {
      for (const node of nodes) {
        if (!due(node)) continue
        this.#output.line(`> ${node.id} ${title}`)
        this.#output.indent(() => work(node))
        worked = true
      }
    }
    round(
      (node) => node.builder.hasReady(),
      'handling Ready',
      (node) => this.#processReady(node),
    )
    round(
      (node) => this.#queue.some((item) => item.to === node.id),
      'receiving messages',
      (node) => this.#deliverTo(node.id, null, false),
    )
    round(
      (node) => node.appendWork.length > 0,
      'processing append thread',
      (node) => {
        while (node.appendWork.length > 0) this.#processAppend(node)
      },
    )
    round(
      (node) => node.applyWork.length > 0,
      'processing apply thread',
      (node) => {
        while (node.applyWork.length > 0) this.#processApply(node)
      },
    )
    return worked
  }
}

function dropped(result: ProposeResult): string | null {
  return result.kind === 'accepted' || result.kind === 'forwarded' ? null : 'raft proposal dropped'
}

function toOthers(node: ScriptNode, ready: Ready<string>): Message<string>[] {
  return (ready.persist?.responses ?? []).filter((message) => message.to !== node.id)
}

/** What etcd's `Advance` does: own responses first, then what became durable, then what was applied. */
function advance(node: ScriptNode, ready: Ready<string>): void {
  if (ready.persist !== null) {
    node.builder.release()
    for (const message of ready.persist.responses) if (message.to === node.id) step(node.raft, message)
    stored(node.raft, ready.persist)
  }
  if (ready.committed !== null) applied(node.raft, ready.committed.to)
}
