/** All planted bugs: of the log and its disk, of what replication stores, of what is served, of lost copies. */
import type { BrokerFaultKind } from '@stratalog/broker/simulation'
import { type Mutant, plant } from './mutant.ts'

const POWER: { readonly faults: readonly BrokerFaultKind[] } = {
  faults: ['power-loss', 'power-loss-all', 'kill', 'isolate', 'transfer'],
}
const DAMAGE: { readonly faults: readonly BrokerFaultKind[] } = {
  faults: ['cut-file', 'cut-file', 'kill', 'power-loss', 'isolate', 'transfer'],
}
const LEADERS: { readonly faults: readonly BrokerFaultKind[] } = {
  faults: ['isolate', 'halves', 'kill', 'transfer', 'one-way', 'stall'],
}

const CUTS: { readonly faults: readonly BrokerFaultKind[] } = {
  faults: ['isolate', 'halves', 'kill', 'kill', 'power-loss', 'power-loss-all'],
}
const WIPES: { readonly faults: readonly BrokerFaultKind[] } = {
  faults: ['wipe', 'wipe', 'isolate', 'kill', 'halves'],
}
const SLOW_DISK = { syncMaxMs: 150, slowReads: 0 }

/** In the order of the table. */
export const MUTANTS: readonly Mutant[] = [
  plant(
    'accepts-before-the-sync',
    'Redpanda #503; Raft §5',
    'replication/log-persister.ts',
    '      if (mustFlush) await log.flush()\n',
    '      if (mustFlush) log.flush().catch(() => undefined)\n',
  ),
  plant(
    'hard-state-not-synced',
    'etcd #14370',
    'replication/group-state-store.ts',
    '{ sync: true })',
    '{ sync: false })',
  ),
  plant(
    'votes-before-the-vote-is-stored',
    'Raft §5.2; etcd/raft README',
    'replication/log-persister.ts',
    '    } finally {\n      await hardStateStored\n    }',
    '    } finally {\n      // Not awaited.\n    }',
  ),
  {
    name: 'commit-position-stored-ahead-of-the-log',
    source: 'this project (log-persister.ts)',
    edits: [
      {
        file: 'replication/raft-group.ts',
        find: 'durableCommit: () => Math.min(this.#node.commit, this.#node.status().persistedPosition),',
        replace: 'durableCommit: () => this.#node.commit,',
      },
      {
        file: 'replication/log-persister.ts',
        find: 'return Math.max(stored?.commit ?? 0, Math.min(durableCommit(), log.flushedEndOffset))',
        replace: 'return Math.max(stored?.commit ?? 0, durableCommit(), log.logStartOffset)',
      },
      {
        file: 'replication/log-persister.ts',
        find: 'if (latest === null || (latest.term === stored?.term && latest.vote === stored.vote)) return null',
        replace: 'if (latest === null) return null',
      },
    ],
    focus: { ...CUTS, disk: SLOW_DISK, faultEveryMs: 1000 },
  },
  plant(
    'counts-what-was-written-beside-the-sync',
    'this project (log-writer.ts)',
    'log/log-writer.ts',
    '    core.flushedEndOffset = writtenEndOffset\n',
    '    core.flushedEndOffset = toOffset(Math.max(writtenEndOffset, core.writtenEndOffset))\n',
    { faults: ['kill', 'power-loss'], disk: SLOW_DISK, produceEveryMs: 40, recordsMax: 10, valueBytesMax: 60_000 },
  ),
  plant(
    'retries-a-failed-sync',
    'PostgreSQL fsyncgate; Rebello et al. 2020',
    'log/log-writer.ts',
    'await core.options.flusher.run(() => file.datasync())',
    'await core.options.flusher.run(() => file.datasync().catch(() => file.datasync()))',
    { faults: ['failing-disk', 'failing-disk', 'power-loss'] },
  ),
  plant(
    'recovery-trusts-the-page-cache',
    'PostgreSQL fsyncgate; found by this simulation',
    'log/log-recovery.ts',
    '        await rewrite(file, from, segment.sizeBytes)\n',
    '',
    { faults: ['failing-disk', 'failing-disk', 'power-loss', 'kill'] },
  ),
  plant(
    'torn-tail-taken-for-data',
    'KAFKA-3442; this project (log-recovery.ts)',
    'log/log-recovery.ts',
    '    if (fault !== null) return fault\n',
    "    if (fault !== null && !fault.startsWith('CRC')) return fault\n",
    { ...POWER, disk: SLOW_DISK, produceEveryMs: 40, recordsMax: 3, valueBytesMax: 6000 },
  ),
  plant(
    'cuts-to-the-stored-commit-at-start',
    'KAFKA KIP-101',
    'replication/group-state.ts',
    'else if (stored !== null) checkNothingLost(log, stored)',
    'else if (stored !== null) await log.truncateTo(endOffsetAt(Math.max(stored.hardState?.commit ?? 0, log.logStartOffset)))',
    POWER,
  ),
  {
    name: 'a-log-that-lost-its-end-goes-on',
    source: 'Redpanda #8374; Alagappan et al. 2018',
    edits: [
      {
        file: 'log/log-recovery.ts',
        find: 'if (endOffset < flushedEndOffset || stop.position < sizeBytes) {',
        replace: 'if (endOffset < 0) {',
      },
      {
        file: 'log/log-recovery.ts',
        find: '    if (found === recoveryPoint.epochDigest) return\n',
        replace: '    if (found !== "") return\n',
      },
      {
        file: 'replication/group-state.ts',
        find: '  if (log.logEndOffset >= flushedEnd) return\n',
        replace: '  if (flushedEnd >= 0) return\n',
      },
    ],
    focus: DAMAGE,
  },
  {
    name: 'shows-followers-what-is-not-on-disk',
    source: 'Redpanda #6467; this project (partition.ts)',
    edits: [
      {
        file: 'partition/partition.ts',
        find: 'return toOffset(Math.min(this.#group.highWatermark, this.#log.flushedEndOffset))',
        replace: 'return this.#group.highWatermark',
      },
      {
        file: 'replication/raft-group.ts',
        find: '      persistCommit: false,\n',
        replace: '      persistCommit: false,\n      applyBeforePersisted: true,\n',
      },
    ],
  },
  plant(
    'serves-what-is-not-committed',
    'KAFKA-2477',
    'partition/partition.ts',
    'return this.#read(offset, this.#group.highWatermark, maxBytes)',
    'return this.#read(offset, this.#log.logEndOffset, maxBytes)',
  ),
  plant(
    'acknowledges-what-is-only-written',
    'KAFKA-9144',
    'partition/append-path.ts',
    '    this.#writeWaiters.reach(endOffset, this.#options.log.flushedEndOffset)\n',
    '    this.#writeWaiters.reach(endOffset, this.#options.log.flushedEndOffset)\n' +
      '    this.#commitWaiters.reach(endOffset, this.#options.log.flushedEndOffset)\n',
  ),
  plant(
    'dedupe-state-not-followed',
    'KAFKA-5793',
    'partition/partition.ts',
    'this.#producers.onAppended(entry)',
    'void this.#producers',
    LEADERS,
  ),
  plant(
    'dedupe-state-not-read-back',
    'KAFKA-5456',
    'partition/producer-follower.ts',
    '    this.#note(header)\n    this.state.noteDurable(header.lastOffset + 1)\n',
    '    this.state.noteDurable(header.lastOffset + 1)\n    if (header.control && header.lastOffset >= this.state.endOffset) this.state.advanceTo(header.lastOffset + 1)\n',
    { faults: ['kill', 'power-loss', 'power-loss-all'] },
  ),
  plant(
    'epochs-not-cut-with-the-log',
    'KAFKA-7415',
    'log/log-maintenance.ts',
    '  core.epochs.truncateTo(endOffset)\n',
    '',
    LEADERS,
  ),
  plant(
    'follows-metadata-that-is-not-committed',
    'KAFKA-14996',
    'partition/partition-replicated-log.ts',
    'return this.#partition.committedEnd\n',
    'return this.#partition.bounds().logEndOffset\n',
    { faults: ['topics', 'topics', 'isolate', 'kill', 'transfer'] },
  ),
  plant(
    'change-of-members-not-stored-before-its-entry',
    'etcd #12359',
    'replication/log-persister.ts',
    '      if (changesMembers(request)) await state.noteChanges(entries)\n',
    '',
    { faults: ['move', 'move', 'kill', 'power-loss', 'power-loss-all'], brokerCount: 5, faultEveryMs: 500 },
  ),
  plant(
    'takes-a-wiped-disk-for-the-old-one',
    'Redpanda #5163; KAFKA-16234',
    'controller/broker-decisions.ts',
    '  return registered(known, registration, true)\n',
    '  return registered(known, registration, false)\n',
    WIPES,
  ),
  plant(
    'hears-a-folder-that-has-forgotten-its-votes',
    'Raft dissertation §11.7.3; this project (broker-directory.ts)',
    'cluster/broker-directory.ts',
    'if (known.directoryId === peer.directoryId && peer.runs.includes(known.run)) return true',
    "if (known.run !== '') return true",
    {
      faults: ['wipe', 'old-copy', 'old-copy', 'kill', 'isolate', 'halves', 'restart'],
      faultEveryMs: 1000,
      brokerCount: 3,
    },
  ),
]

/** A few that are caught within seconds, for CI. */
export const QUICK_MUTANTS: readonly string[] = [
  'accepts-before-the-sync',
  'hard-state-not-synced',
  'acknowledges-what-is-only-written',
  'dedupe-state-not-followed',
]
