/** The scripts' `add-nodes` command: nodes that begin from a snapshot of a group. */
import { confStateOf } from '../../core/conf-change.ts'
import type { RaftOptions } from '../../core/options.ts'
import type { Raft } from '../../core/raft.ts'
import { argOf, type CommandArg } from './datadriven.ts'
import type { Output } from './output.ts'
import { renderTrace } from './render-trace.ts'
import { ScriptNode } from './script-node.ts'

/** Adds nodes with the next ids; the options are those of etcd's harness. */
export function addNodes(nodes: ScriptNode[], output: Output, args: readonly CommandArg[]): string | null {
  const flag = (key: string, otherwise: boolean): boolean => (argOf(args, key)?.[0] ?? String(otherwise)) === 'true'
  const confState = confStateOf((argOf(args, 'voters') ?? []).map(Number), (argOf(args, 'learners') ?? []).map(Number))
  const index = Number(argOf(args, 'index')?.[0] ?? 0)
  if (argOf(args, 'index') !== undefined && index <= 1) return 'index must be specified as > 1 due to bootstrap'
  const inflight = argOf(args, 'inflight')?.[0]
  const applying = argOf(args, 'max-committed-size-per-ready')?.[0]
  for (let i = 0; i < Number(args[0]!.key); i++) {
    const id = nodes.length + 1
    const holder: { raft: Raft<string> | null } = { raft: null }
    const options: Omit<RaftOptions<string>, 'storage'> = {
      id,
      electionTicks: 3,
      heartbeatTicks: 1,
      random: () => 0.5,
      preVote: flag('prevote', false),
      checkQuorum: flag('checkquorum', false),
      maxBytesPerMessage: Number.POSITIVE_INFINITY,
      maxInflightMessages: inflight === undefined ? 2 ** 31 - 1 : Number(inflight),
      maxApplyingBytes: applying === undefined ? Number.POSITIVE_INFINITY : Number(applying),
      readOnly: argOf(args, 'read-only')?.[0] === 'lease-based' ? 'lease' : 'quorum',
      validateConfChanges: !flag('disable-conf-change-validation', false),
      stepDownOnRemoval: flag('step-down-on-removal', false),
      forwardProposals: true,
      batchAppends: false,
      applied: index,
      onTrace: (event) => {
        for (const line of renderTrace(id, holder.raft, event)) output.log(line)
      },
    }
    const content = argOf(args, 'content')?.[0] ?? ''
    const node = new ScriptNode(options, flag('async-storage-writes', false), confState, index, content)
    holder.raft = node.raft
    nodes.push(node)
    const { raft, storage } = node
    const peers = confState.voters.join(',')
    const log = `applied: ${raft.log.applied}, lastindex: ${storage.endPosition()}, lastterm: ${raft.log.lastTerm()}`
    output.log({
      level: 'INFO',
      text: `newRaft ${id} [peers: [${peers}], term: ${raft.term}, commit: ${raft.log.committed}, ${log}]`,
    })
  }
  return null
}
