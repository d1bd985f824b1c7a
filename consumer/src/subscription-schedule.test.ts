import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { PartitionState } from './partition-state.ts'
import type { SubscriptionState } from './subscription-state.ts'
import { addPartition, deliver, newState, takeOffsets } from './test/core-steps.ts'
import { buildLog, dataOffsets, type LogStep, type ModelBatch, ModelLeader, visibleEndOf } from './test/log-model.ts'

const step: fc.Arbitrary<LogStep> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ data: fc.integer({ min: 1, max: 6 }), valueBytes: fc.nat(300) }) },
  { weight: 1, arbitrary: fc.record({ gap: fc.integer({ min: 1, max: 5 }) }) },
  { weight: 1, arbitrary: fc.constant<LogStep>('control') },
)
const logArbitrary = fc.array(step, { maxLength: 12 }).map(buildLog)

type Action =
  | { readonly kind: 'serve' | 'take' | 'pause' | 'resume'; readonly partition: number; readonly count: number }
  | { readonly kind: 'seek'; readonly partition: number; readonly count: number }
  | { readonly kind: 'flush' | 'disconnect'; readonly partition: number; readonly count: number }

const action: fc.Arbitrary<Action> = fc.record({
  kind: fc.constantFrom<Action['kind']>(
    'serve',
    'serve',
    'serve',
    'take',
    'take',
    'take',
    'flush',
    'flush',
    'pause',
    'resume',
    'seek',
    'disconnect',
  ),
  partition: fc.nat(2),
  count: fc.nat(40),
})

/** Runs a schedule against model leaders and checks every record handed out against the log. */
class Schedule {
  readonly #logs: readonly ModelBatch[][]
  readonly #state: SubscriptionState
  readonly #budget: number
  #leader: ModelLeader
  #session = 1
  #hasRevived = false
  /** What each partition must hand out next: every data offset from its last position on. */
  readonly #expected: number[][]

  constructor(logs: readonly ModelBatch[][], budget: number, bounded: boolean) {
    this.#logs = logs
    this.#budget = budget
    this.#state = newState({ prefetchBytesMax: budget })
    this.#leader = new ModelLeader(logs)
    this.#expected = logs.map((log, partition) => {
      addPartition(this.#state, { partition, endOffset: bounded ? visibleEndOf(log) : null })
      return dataOffsets(log)
    })
    this.#attachAll()
  }

  run({ kind, partition: index, count }: Action): void {
    const partition = this.#state.partitions[index % this.#logs.length]!
    switch (kind) {
      case 'serve': {
        const handles = this.#leader.handles
        if (handles.length > 0) deliver(this.#state, this.#leader, handles[count % handles.length]!, (count % 4) + 1)
        break
      }
      case 'take':
        if (partition.deliverable) this.#take(partition)
        break
      case 'flush':
        this.#flush()
        break
      case 'pause':
        this.#state.pause(partition)
        break
      case 'resume':
        this.#state.resume(partition)
        break
      case 'seek':
        this.#seek(partition, count)
        break
      case 'disconnect':
        this.#state.detachSession(this.#session++)
        this.#leader = new ModelLeader(this.#logs)
        this.#attachAll()
        break
    }
    this.check()
  }

  /** Lets everything flow: afterwards nothing may be missing. */
  finish(): void {
    for (const partition of this.#state.partitions) this.#state.resume(partition)
    for (let round = 0; round < 400; round++) {
      this.#attachAll()
      this.#flush()
      for (const handle of this.#leader.handles) deliver(this.#state, this.#leader, handle)
      for (const partition of this.#state.partitions) if (partition.deliverable) this.#take(partition)
      this.check()
    }
    assert.deepEqual(
      this.#expected.map((rest) => rest.length),
      this.#logs.map(() => 0),
      'records were lost',
    )
    const isBounded = this.#state.partitions.every((partition) => partition.endOffset !== null)
    assert.equal(this.#state.ended, isBounded)
  }

  check(): void {
    this.#state.checkInvariants()
    if (this.#hasRevived) return
    const largest = Math.max(0, ...this.#logs.flat().map((batch) => batch.bytes.length))
    let held = 0
    for (const partition of this.#state.partitions) {
      assert.ok(partition.outstandingBytes >= -largest, 'credit is negative by more than a batch')
      held += Math.max(0, partition.outstandingBytes) + partition.bufferedBytes
    }
    const perPartition = Math.max(1, largest)
    assert.ok(held <= this.#budget + perPartition * this.#logs.length, `${held} bytes held with ${this.#budget}`)
  }

  #take(partition: PartitionState): void {
    const index = partition.partition
    const got = takeOffsets(this.#state, partition, this.#logs[index]!)
    const wanted = this.#expected[index]!.splice(0, got.length)
    assert.deepEqual(got, wanted, `partition ${index}: lost, repeated or out of order`)
  }

  #seek(partition: PartitionState, to: number): void {
    const log = this.#logs[partition.partition]!
    const end = (log.at(-1)?.lastOffset ?? -1) + 1
    const offset = Math.min(to, end)
    // Shares shrink when a finished partition comes back: the bound then holds once the others have drained.
    if (partition.phase === 'complete') this.#hasRevived = true
    this.#state.beginSeek(partition)
    this.#state.endSeek(partition, offset)
    this.#expected[partition.partition] = dataOffsets(log, offset)
    this.#attachAll()
  }

  #attachAll(): void {
    for (const partition of this.#state.partitions) {
      if (partition.phase === 'detached') this.#state.attach(partition, this.#session)
    }
  }

  #flush(): void {
    const commands = this.#state.drain(this.#session)
    if (commands !== null) this.#leader.handle(commands)
  }
}

describe('any order of events', () => {
  it('loses, repeats and reorders nothing, and stays within its budget', () => {
    fc.assert(
      fc.property(
        fc.array(logArbitrary, { minLength: 1, maxLength: 3 }),
        fc.integer({ min: 1, max: 2_000 }),
        fc.boolean(),
        fc.array(action, { maxLength: 80 }),
        (logs, budget, bounded, actions) => {
          const schedule = new Schedule(logs, budget, bounded)
          for (const next of actions) schedule.run(next)
          schedule.finish()
        },
      ),
      { numRuns: 300 },
    )
  })
})
