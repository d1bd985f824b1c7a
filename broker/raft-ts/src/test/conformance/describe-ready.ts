/** A whole Ready in the words of etcd/raft's scripts. */
import type { Message } from '../../core/messages.ts'
import type { Ready } from '../../core/ready.ts'
import {
  describeAppendDone,
  describeAppendWork,
  describeApplyDone,
  describeApplyWork,
  describeEntry,
  describeHardState,
  describeMessage,
  describeRole,
  describeSnapshot,
} from './describe.ts'
import type { ScriptNode } from './script-node.ts'

/** Prints a Ready of `node`, with `messages` as the ones that etcd would have in it. */
export function describeReady(node: ScriptNode, ready: Ready<string>, messages: readonly Message<string>[]): string {
  const lines: string[] = []
  const { softState, persist, committed } = ready
  const { shown } = node
  if (softState !== null && (softState.role !== shown.role || softState.leaderId !== shown.leaderId)) {
    lines.push(`Lead:${softState.leaderId ?? 0} State:${describeRole(softState.role)}`)
    shown.role = softState.role
    shown.leaderId = softState.leaderId
  }
  let mustSync = false
  if (persist !== null) {
    const { hardState, entries, snapshot } = persist
    if (hardState !== null) {
      lines.push(`HardState ${describeHardState(hardState)}`)
      mustSync = hardState.term !== shown.term || hardState.vote !== shown.vote
      shown.term = hardState.term
      shown.vote = hardState.vote
    }
    mustSync ||= entries.length > 0
    if (entries.length > 0) lines.push('Entries:', ...entries.map(describeEntry))
    if (snapshot !== null) lines.push(`Snapshot ${describeSnapshot(snapshot)}`)
  }
  if (committed !== null) lines.push('CommittedEntries:', ...committed.entries.map(describeEntry))
  const texts = messages.map((message) => describeMessage(message))
  if (node.async) texts.push(...describeWork(node, ready))
  if (texts.length > 0) lines.push('Messages:', ...texts)
  return lines.length === 0 ? '<empty Ready>' : `Ready MustSync=${mustSync}:\n${lines.join('\n')}\n`
}

function describeWork(node: ScriptNode, ready: Ready<string>): string[] {
  const { persist, committed } = ready
  const texts: string[] = []
  if (persist !== null) {
    const responses = persist.responses.map((message) => describeMessage(message))
    if (persist.attestation.term > 0 || persist.snapshot !== null) responses.push(describeAppendDone(node.id, persist))
    texts.push(describeAppendWork(node.id, persist, responses))
  }
  if (committed !== null) {
    texts.push(describeApplyWork(node.id, committed.entries, [describeApplyDone(node.id, committed.entries)]))
  }
  return texts
}
