import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decodeProducerSnapshot, encodeProducerSnapshot } from './producer-snapshot.ts'
import {
  addSequence,
  BATCH_COUNT_MAX,
  lastOfEpoch,
  type ProducerBatch,
  ProducerState,
  type WrittenBatch,
} from './producer-state.ts'

const batchOf = (baseSequence: number, recordCount = 1, producerEpoch = 0, producerId = 1): ProducerBatch => ({
  producerId,
  producerEpoch,
  baseSequence,
  recordCount,
})

/** Appends at the end of the log as it is. */
function append(state: ProducerState, batch: ProducerBatch, nowMs = 0): void {
  const baseOffset = state.endOffset
  const lastOffset = baseOffset + batch.recordCount - 1
  state.append(batch, { baseOffset, lastOffset, leaderEpoch: 1, logAppendTimeMs: -1 }, nowMs)
}

function verdict(state: ProducerState, batch: ProducerBatch): string {
  const check = state.check(batch)
  return check.kind === 'refused'
    ? check.code
    : check.kind === 'duplicate'
      ? `duplicate@${check.batch.baseOffset}`
      : 'new'
}

test('an unknown producer may begin anywhere, a known one goes on where it was', () => {
  const state = new ProducerState(10)
  assert.equal(verdict(state, batchOf(17)), 'new')
  append(state, batchOf(17, 3))
  assert.equal(verdict(state, batchOf(20)), 'new')
  assert.equal(verdict(state, batchOf(21)), 'OUT_OF_ORDER_SEQUENCE_NUMBER')
  assert.equal(verdict(state, batchOf(17, 3)), 'duplicate@0')
  assert.equal(verdict(state, batchOf(17, 2)), 'OUT_OF_ORDER_SEQUENCE_NUMBER')
})

test('the last five batches are told by offset, older ones only as duplicates', () => {
  const state = new ProducerState(10)
  for (let sequence = 0; sequence < 8; sequence++) append(state, batchOf(sequence))
  for (let sequence = 3; sequence < 8; sequence++)
    assert.equal(verdict(state, batchOf(sequence)), `duplicate@${sequence}`)
  for (let sequence = 0; sequence < 3; sequence++) {
    assert.equal(verdict(state, batchOf(sequence)), 'DUPLICATE_SEQUENCE_NUMBER')
  }
})

test('a new epoch begins at zero and fences the old one', () => {
  const state = new ProducerState(10)
  append(state, batchOf(0, 5, 3))
  assert.equal(verdict(state, batchOf(5, 1, 2)), 'INVALID_PRODUCER_EPOCH')
  assert.equal(verdict(state, batchOf(5, 1, 4)), 'OUT_OF_ORDER_SEQUENCE_NUMBER')
  assert.equal(verdict(state, batchOf(0, 1, 4)), 'new')
  append(state, batchOf(0, 1, 4))
  assert.equal(verdict(state, batchOf(5, 1, 3)), 'INVALID_PRODUCER_EPOCH')
})

test('sequences wrap from 2^31-1 to 0', () => {
  const state = new ProducerState(10)
  append(state, batchOf(2 ** 31 - 2, 4))
  assert.equal(addSequence(2 ** 31 - 2, 3), 1)
  assert.equal(verdict(state, batchOf(2, 1)), 'new')
  assert.equal(verdict(state, batchOf(2 ** 31 - 2, 4)), 'duplicate@0')
  for (let sequence = 2; sequence < 7; sequence++) append(state, batchOf(sequence))
  assert.equal(verdict(state, batchOf(2 ** 31 - 2, 4)), 'DUPLICATE_SEQUENCE_NUMBER')
})

test('producers are forgotten when there are too many, and when they are silent', () => {
  const state = new ProducerState(2)
  append(state, batchOf(0, 1, 0, 1), 10)
  append(state, batchOf(0, 1, 0, 2), 20)
  append(state, batchOf(1, 1, 0, 1), 30)
  append(state, batchOf(0, 1, 0, 3), 40)
  assert.deepEqual(
    [...state.entries()].map(({ producerId }) => producerId),
    [1, 3],
  )
  assert.equal(state.expire(40), 1)
  assert.deepEqual(
    [...state.entries()].map(({ producerId }) => producerId),
    [3],
  )
})

/** Some producers that send, retry and fail over, as a list of what reached the log. */
const histories = fc.array(
  fc.record({
    producerId: fc.integer({ min: 1, max: 4 }),
    recordCount: fc.integer({ min: 1, max: 3 }),
    bump: fc.boolean(),
  }),
  { maxLength: 60 },
)

function play(history: readonly { producerId: number; recordCount: number; bump: boolean }[], state: ProducerState) {
  const next = new Map<number, { epoch: number; sequence: number }>()
  const written: (ProducerBatch & { baseOffset: number })[] = []
  for (const [time, { producerId, recordCount, bump }] of history.entries()) {
    const known = next.get(producerId) ?? { epoch: 0, sequence: 0 }
    const at = bump ? { epoch: known.epoch + 1, sequence: 0 } : known
    const batch = batchOf(at.sequence, recordCount, at.epoch, producerId)
    assert.equal(verdict(state, batch), 'new')
    written.push({ ...batch, baseOffset: state.endOffset })
    append(state, batch, time)
    state.checkInvariants()
    next.set(producerId, { epoch: at.epoch, sequence: at.sequence + recordCount })
  }
  return written
}

test('property: a retry of any of the last five batches of the current epoch gets its offset', () => {
  fc.assert(
    fc.property(histories, (history) => {
      const state = new ProducerState(10)
      const written = play(history, state)
      for (const producerId of new Set(written.map((batch) => batch.producerId))) {
        const own = written.filter((batch) => batch.producerId === producerId)
        const current = own.filter(({ producerEpoch }) => producerEpoch === own.at(-1)!.producerEpoch)
        for (const batch of current.slice(-BATCH_COUNT_MAX))
          assert.equal(verdict(state, batch), `duplicate@${batch.baseOffset}`)
        for (const batch of current.slice(0, -BATCH_COUNT_MAX))
          assert.equal(verdict(state, batch), 'DUPLICATE_SEQUENCE_NUMBER')
      }
    }),
  )
})

test('property: a snapshot is the state, and one of a shorter log vouches for nothing beyond it', () => {
  fc.assert(
    fc.property(histories, fc.double({ min: 0, max: 1, noNaN: true }), (history, fraction) => {
      const state = new ProducerState(10)
      play(history, state)
      const copy = decodeProducerSnapshot(encodeProducerSnapshot(state, state.endOffset), 10)
      assert.deepEqual(remembered(copy), remembered(state))
      assert.equal(copy.endOffset, state.endOffset)
      const endOffset = Math.floor(state.endOffset * fraction)
      const shorter = decodeProducerSnapshot(encodeProducerSnapshot(state, endOffset), 10)
      state.truncateTo(endOffset)
      assert.deepEqual(remembered(shorter), remembered(state))
      shorter.checkInvariants()
    }),
  )
})

/** What a producer may ask for; times and order of use are left out. */
function remembered(state: ProducerState): [number, readonly WrittenBatch[]][] {
  const entries = [...state.entries()].map((entry) => [entry.producerId, lastOfEpoch(entry.batches)] as const)
  return entries.map(([id, batches]): [number, readonly WrittenBatch[]] => [id, batches]).sort(([a], [b]) => a - b)
}

test('property: cut back to any end at or above the durable one, it is the state of the shorter log', () => {
  const fraction = fc.double({ min: 0, max: 1, noNaN: true })
  fc.assert(
    fc.property(histories, fraction, fraction, (history, durable, cut) => {
      const state = new ProducerState(10)
      const durableCount = Math.floor(history.length * durable)
      const keptCount = durableCount + Math.floor((history.length - durableCount) * cut)
      const shorter = new ProducerState(10)
      play(history.slice(0, keptCount), shorter)
      const before = new ProducerState(10)
      play(history.slice(0, durableCount), before)
      state.noteDurable(before.endOffset)
      play(history, state)
      state.truncateTo(shorter.endOffset)
      assert.deepEqual(remembered(state), remembered(shorter))
      state.checkInvariants()
    }),
  )
})
