/**
 * Planted bugs in membership changes, snapshots and reads.
 */
import { type Mutant, plant } from './mutant.ts'

/** See the file's header. */
export const MEMBERSHIP_MUTANTS: readonly Mutant[] = [
  plant(
    'acknowledges-a-change-without-remembering-the-last',
    'found here by the simulator',
    'core/ready-builder.ts',
    "return entries.some(({ kind }) => kind === 'config')",
    "return entries.some(({ kind }) => kind === 'config') && log.committed < 0",
  ),
  {
    name: 'snapshot-asked-for-while-a-change-is-applied',
    source: 'found here by the simulator',
    edits: [
      {
        file: 'core/replication.ts',
        find: 'if (raft.snapshotsHeld) {',
        replace: 'if (raft.snapshotsHeld && raft.term < 0) {',
      },
    ],
    // It takes a new member that is not yet being caught up when the next change comes into force.
    focus: { raft: { catchUp: 'snapshot' }, faults: ['membership', 'membership', 'compaction', 'loss'] },
  },
  plant(
    'joint-commit-asks-one-half-only',
    'dissertation 4.3',
    'core/tracker.ts',
    'const incoming = reachedByMajority(this.#matches(this.#incoming))\n    if (this.#outgoing.length === 0) return incoming',
    'const incoming = reachedByMajority(this.#matches(this.#incoming))\n    if (this.#outgoing.length >= 0) return incoming',
  ),
  plant(
    'joint-vote-asks-one-half-only',
    'dissertation 4.3',
    'core/quorum.ts',
    'const second = voteResult(outgoing, votes)',
    'const second = outgoing.length < 0 ? voteResult(outgoing, votes) : first',
  ),
  plant(
    'joint-configuration-without-the-outgoing-half',
    'two disjoint majorities, dissertation 4.3',
    'core/membership.ts',
    'draft.outgoing = new Set(draft.voters)',
    'draft.outgoing = new Set()',
  ),
  {
    name: 'several-voters-changed-at-once',
    source: 'two disjoint majorities, dissertation 4.1',
    edits: [
      {
        file: 'core/conf-change.ts',
        find: "return change.transition !== 'auto' || change.steps.length > 1",
        replace: "return change.transition !== 'auto'",
      },
      { file: 'core/membership.ts', find: 'if (differenceCount(', replace: 'if (-differenceCount(' },
    ],
  },
  plant(
    'second-change-while-one-is-unapplied',
    'Ongaro 2015, the bug in single-server changes',
    'core/proposals.ts',
    '  if (raft.pendingConfEnd > raft.log.applied) {',
    '  if (raft.pendingConfEnd < 0) {',
  ),
  plant(
    'new-leader-forgets-a-pending-change',
    'Ongaro 2015, the bug in single-server changes',
    'core/roles.ts',
    '  raft.pendingConfEnd = end\n',
    '',
  ),
  plant(
    'learner-counted-in-the-quorum',
    'dissertation 4.2.1',
    'core/tracker.ts',
    'this.#incoming = confState.voters.map((id) => this.#byId.get(id)!)',
    'this.#incoming = members.slice()',
  ),
  plant(
    'removed-leader-stays',
    'KAFKA-16531, etcd StepDownOnRemoval',
    'core/configuration.ts',
    'if (raft.options.stepDownOnRemoval) becomeFollower',
    'if (!raft.options.stepDownOnRemoval) becomeFollower',
  ),
  plant(
    'removal-without-a-live-majority',
    'NATS #7545',
    'core/proposals.ts',
    'return live < majorityOf(next.voters.length)',
    'return live < 0',
  ),
  plant(
    'joint-configuration-never-left',
    'etcd confchange_v2_add_double_auto',
    'core/proposals.ts',
    "if (raft.role !== 'leader' || !raft.confState.autoLeave",
    "if (raft.role === 'leader' || !raft.confState.autoLeave",
  ),
  plant(
    'change-applied-twice-after-a-restart',
    'etcd #17780',
    'core/configuration.ts',
    '  if (end <= raft.log.confPosition) return raft.confState\n',
    '',
  ),
  plant(
    'truncated-change-is-not-rolled-back',
    'KRaft voter sets by offset',
    'core/log.ts',
    '        this.configEntries.pop()\n',
    '        break\n',
  ),
  {
    name: 'snapshot-older-than-the-log-installed',
    source: 'etcd #18055',
    edits: [
      {
        file: 'core/snapshots.ts',
        find: '  if (configured ? snapshot.position <= committed : snapshot.position < committed) return false\n',
        replace: '  if (committed < 0) return false\n',
      },
    ],
    // It takes a hand-over that arrives again when its receiver has dropped that part of its log already.
    focus: {
      faults: ['membership', 'wipe', 'compaction', 'compaction', 'compaction', 'loss'],
      faultEveryMs: 700,
      link: { loss: 0.01, duplication: 0.3, delayMaxMs: 50, late: 0.05, ordered: false },
      raft: { catchUp: 'start-position' },
    },
  },
  plant(
    'chunk-of-a-state-after-a-gap-is-taken',
    'Raft figure 13, InstallSnapshot 3 to 5',
    'core/snapshot-chunks.ts',
    "if (chunk.offset > this.#received) return this.#refuse('gap')",
    "if (chunk.offset > data.length) return this.#refuse('gap')",
  ),
  plant(
    'chunks-of-two-states-are-put-together',
    'Raft figure 13, InstallSnapshot 3 to 5',
    'core/snapshot-chunks.ts',
    'if (this.#data === null || chunk.position !== this.#position || chunk.term !== this.#term) {',
    'if (this.#data === null) {',
  ),
  plant(
    'hand-over-without-a-term',
    'KAFKA-15510',
    'core/replication.ts',
    'return { position, term, confState: raft.confState,',
    'return { position, term: 0, confState: raft.confState,',
  ),
  plant(
    'hand-over-repeats-changes',
    'Redpanda #28372',
    'core/replication.ts',
    'confPosition: raft.log.confPosition, data: null }',
    'confPosition: position, data: null }',
  ),
  {
    ...plant(
      'failed-snapshot-never-sent-again',
      'etcd/raft ReportSnapshot',
      'core/leader.ts',
      "if (peer === undefined || peer.state !== 'snapshot') return\n  if (!ok)",
      "if (peer === undefined || peer.state !== 'snapshot' || !ok) return\n  if (!ok)",
    ),
    focus: {
      voterCount: 3,
      faults: ['compaction', 'compaction', 'isolate', 'loss', 'loss', 'one-way'],
      faultEveryMs: 700,
      raft: { catchUp: 'snapshot' },
    },
  },
  plant(
    'read-before-own-commit',
    'Redpanda #5090, dissertation 6.4',
    'core/read-index.ts',
    '  if (!raft.committedInOwnTerm()) {',
    '  if (raft.term < 0) {',
  ),
  plant(
    'read-without-asking-a-majority',
    'etcd #20418',
    'core/read-index.ts',
    "if (raft.options.readOnly === 'lease' || raft.tracker.singleVoter()) {",
    'if (raft.tracker.members.length > 0) {',
  ),
  plant(
    'read-confirmed-by-one-node',
    'dissertation 6.4',
    'core/read-index.ts',
    'if (read.round === 0 || read.round > confirmed) break',
    'if (read.round === 0 || confirmed < 0) break',
  ),
  plant(
    'read-joins-a-round-that-has-left',
    'dissertation 6.4',
    'core/ready-builder.ts',
    '    raft.readRoundOpen = false\n',
    '',
  ),
]
