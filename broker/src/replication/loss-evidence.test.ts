import assert from 'node:assert/strict'
import { test } from 'node:test'
import { confStateOf, MemoryStorage, type Message, RawNode } from 'raft-ts'
import { LossEvidence } from './loss-evidence.ts'

/** A leader of three whose log ends at 5, to which node 2 has matched. */
function leaderAt5(): RawNode<Buffer> {
  const storage = new MemoryStorage<Buffer>({ confState: confStateOf([1, 2, 3]) })
  const node = new RawNode<Buffer>({
    id: 1,
    group: 'g',
    storage,
    electionTicks: 10,
    heartbeatTicks: 1,
    random: () => 0,
  })
  const pump = (): void => {
    while (node.hasReady()) {
      const { persist, committed } = node.ready()
      if (persist !== null) {
        storage.write(persist)
        node.persisted(persist)
      }
      if (committed !== null) node.applied(committed.to)
    }
  }
  node.campaign()
  pump()
  const vote = { group: 'g', from: 2, to: 1, term: 1, granted: true, commit: 0, commitTerm: 0 }
  node.step({ type: 'pre-vote-response', ...vote })
  pump()
  node.step({ type: 'vote-response', ...vote })
  pump()
  node.propose({ length: 4, bytes: 1, data: Buffer.alloc(1) })
  pump()
  node.step({ type: 'append-accepted', group: 'g', from: 2, to: 1, term: 1, end: 5 })
  pump()
  return node
}

const REJECTED: Message<Buffer> = {
  type: 'append-rejected',
  group: 'g',
  from: 2,
  to: 1,
  term: 1,
  prev: 5,
  hint: 2,
  hintTerm: 1,
  unconfigured: false,
}

test('a leader believes that a copy has lost something when it keeps saying so', () => {
  let nowMs = 0
  const node = leaderAt5()
  const evidence = new LossEvidence({ nowMs: () => nowMs })
  const rejected = () => evidence.weigh(REJECTED, { kind: 'accepted' }, node)
  assert.equal(rejected(), null)
  nowMs += 1600
  assert.equal(rejected(), null)
  nowMs += 1600
  assert.equal(rejected()?.node, 2)
})

test('echoes of old messages are no evidence: they are far between, or the copy then says otherwise', () => {
  let nowMs = 0
  const node = leaderAt5()
  const evidence = new LossEvidence({ nowMs: () => nowMs })
  const rejected = () => evidence.weigh(REJECTED, { kind: 'accepted' }, node)
  for (let i = 0; i < 10; i++, nowMs += 3_000) assert.equal(rejected(), null)
  // On a slow link they come for long, and mixed: what was accepted beyond tells them from a loss, old as it may be itself.
  for (const end of [5, 3]) {
    for (let i = 0; i < 10; i++, nowMs += 600) {
      assert.equal(rejected(), null)
      const accepted: Message<Buffer> = { type: 'append-accepted', group: 'g', from: 2, to: 1, term: 1, end }
      assert.equal(evidence.weigh(accepted, { kind: 'accepted' }, node), null)
    }
  }
  const { hint: _, ...harmless } = REJECTED as Message<Buffer> & { hint: number }
  for (let i = 0; i < 10; i++, nowMs += 600) {
    assert.equal(evidence.weigh({ ...harmless, hint: 5 } as Message<Buffer>, { kind: 'accepted' }, node), null)
  }
})
