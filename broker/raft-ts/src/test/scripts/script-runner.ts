/**
 * Our own scripts: commands to a group in memory, and the whole trace of what it does as the expected output.
 *
 *   group voters=(1,2,3) quiesce=20 …   a new group                 campaign 1 · propose 1 length=3 · read 2
 *   settle                              until nothing moves         tick 1 count=5 · tick-all count=5
 *   isolate 3 · heal · compact 1 to=9 · restart 2 · transfer 1 to=2 · change 1 add=4 · lost 2 peer=1 · priority 1 value=0 · show
 */
import type { Entry } from '../../core/entry.ts'
import type { Message } from '../../core/messages.ts'
import type { RaftOptions } from '../../core/options.ts'
import type { Ready } from '../../core/ready.ts'
import { MemoryGroup, type MemoryMember } from '../../testing/memory-group.ts'
import { argOf, type CommandArg, type Directive } from '../conformance/datadriven.ts'

/** Runs the directives of one script. */
export class ScriptRunner {
  #group: MemoryGroup = new MemoryGroup({ voters: [] })
  #lines: string[] = []

  run(directive: Directive): string {
    this.#lines = []
    this.#execute(directive.command, directive.args)
    return this.#lines.length === 0 ? 'ok' : this.#lines.join('\n')
  }

  #execute(command: string, args: readonly CommandArg[]): void {
    const number = (key: string, otherwise = 0): number => Number(argOf(args, key)?.[0] ?? otherwise)
    const id = Number(args[0]?.key)
    switch (command) {
      case 'group':
        this.#group = makeGroup(args)
        return
      case 'settle':
        this.#settle()
        return
      case 'tick-all':
        for (let i = 0; i < number('count', 1); i++) {
          for (const { node } of this.#group.members.values()) node.tick()
          this.#settle()
        }
        return
      case 'heal':
        this.#group.heal()
        return
      case 'show':
        for (const member of this.#group.members.values()) this.#lines.push(describeMember(member))
        return
      default:
        this.#executeAt(id, command, number)
    }
  }

  #executeAt(id: number, command: string, number: (key: string, otherwise?: number) => number): void {
    const { node, storage } = this.#group.at(id)
    switch (command) {
      case 'campaign':
        node.campaign()
        return
      case 'propose':
        this.#say(node.propose({ length: number('length', 1), bytes: 1, data: 'x' }))
        return
      case 'read':
        this.#say(node.readIndex('read'))
        return
      case 'tick':
        for (let i = 0; i < number('count', 1); i++) node.tick()
        return
      case 'isolate':
        this.#group.isolate(id)
        return
      case 'compact':
        storage.compactTo(number('to'))
        return
      case 'restart':
        this.#group.restart(id)
        return
      case 'change': {
        const step = { kind: 'add-voter', id: number('add') } as const
        this.#say(node.proposeConfChange({ transition: 'auto', steps: [step] }))
        return
      }
      case 'transfer':
        this.#say(node.transferLeadership(number('to')))
        return
      case 'lost':
        node.peerLost(number('peer'))
        return
      case 'priority':
        node.setPriority(number('value'))
        return
      default:
        throw new Error(`unknown command ${command}`)
    }
  }

  #say(result: object): void {
    this.#lines.push(
      Object.entries(result)
        .map(([key, value]) => (key === 'kind' ? value : `${key}=${value}`))
        .join(' '),
    )
  }

  #settle(): void {
    const group = this.#group
    for (;;) {
      for (const member of group.members.values()) {
        while (member.node.hasReady()) {
          const ready = member.node.ready()
          this.#lines.push(...describeReady(member.id, ready))
          group.handle(member, ready)
        }
      }
      if (group.queue.length === 0) return
      group.deliver((message) => {
        this.#lines.push(describeMessage(message))
        return true
      })
    }
  }
}

function makeGroup(args: readonly CommandArg[]): MemoryGroup {
  const ids = (key: string): number[] => (argOf(args, key) ?? []).map(Number)
  const raft: Partial<RaftOptions<string>> = {
    quiesceAfterTicks: Number(argOf(args, 'quiesce')?.[0] ?? 0),
    leaderEntry: argOf(args, 'leader-entry')?.[0] === 'always' ? 'always' : 'unless-empty',
    catchUp: 'start-position',
  }
  return new MemoryGroup({ voters: ids('voters'), learners: ids('learners'), spares: ids('spares'), raft })
}

function describeMember({ node, storage }: MemoryMember): string {
  const { id, role, term, commit, startPosition, endPosition, quiescent } = node.status()
  const entries = storage.entries(startPosition, endPosition, Number.POSITIVE_INFINITY)
  const log = typeof entries === 'string' ? entries : spans(entries)
  return `${id}: ${role}${quiescent ? ' (silent)' : ''} t${term} start ${startPosition} commit ${commit} log ${log}`
}

function spans(entries: readonly Entry<string>[]): string {
  const texts = entries.map(
    ({ base, end, term, kind }) => `[${base},${end})@${term}${kind === 'data' ? '' : ` ${kind}`}`,
  )
  return texts.length === 0 ? '-' : texts.join(' ')
}

function describeReady(id: number, ready: Ready<string>): string[] {
  const lines: string[] = []
  const { softState, persist, committed, leaderReady, readStates } = ready
  if (softState !== null) lines.push(`${id}: ${softState.role} t${softState.term} leader ${softState.leaderId ?? '-'}`)
  if (persist !== null) {
    const parts: string[] = []
    if (persist.snapshot !== null) parts.push(`begin at ${persist.snapshot.position}@${persist.snapshot.term}`)
    if (persist.truncateTo !== null) parts.push(`truncate to ${persist.truncateTo}`)
    if (persist.entries.length > 0) parts.push(`append ${spans(persist.entries)}`)
    const { hardState } = persist
    if (hardState !== null)
      parts.push(`term ${hardState.term} vote ${hardState.vote ?? '-'} commit ${hardState.commit}`)
    lines.push(`${id}: write ${parts.length === 0 ? 'nothing' : parts.join(', ')}${persist.mustSync ? ', sync' : ''}`)
  }
  if (committed !== null) lines.push(`${id}: committed ${committed.from}..${committed.to}`)
  if (leaderReady !== null) lines.push(`${id}: ready to serve at ${leaderReady}`)
  for (const { position } of readStates) lines.push(`${id}: read at ${position}`)
  return lines
}

function describeMessage(message: Message<string>): string {
  const head = `  ${message.from}->${message.to} ${message.type} t${message.term}`
  switch (message.type) {
    case 'append':
      return `${head} prev ${message.prev}@${message.prevTerm} ${spans(message.entries)} commit ${message.commit}`
    case 'append-accepted':
      return `${head} end ${message.end}`
    case 'append-rejected': {
      const why = message.unconfigured ? ' unconfigured' : ''
      return `${head} prev ${message.prev} hint ${message.hint}@${message.hintTerm}${why}`
    }
    case 'heartbeat':
      return `${head} commit ${message.commit}`
    case 'quiesce':
      return `${head} end ${message.end}@${message.endTerm}`
    case 'vote-request':
    case 'pre-vote-request':
      return `${head} log ${message.lastEnd}@${message.lastTerm}`
    case 'vote-response':
    case 'pre-vote-response':
      return `${head} ${message.granted ? 'granted' : 'rejected'}`
    case 'snapshot':
      return `${head} ${message.snapshot.position}@${message.snapshot.term} voters ${message.snapshot.confState.voters.join()}`
    default:
      return head
  }
}
