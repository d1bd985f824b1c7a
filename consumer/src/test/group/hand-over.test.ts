/**
 * How partitions get from one member to the next: by heartbeats that the coordinator keeps until there is news, so that
 * nothing waits for an interval. The intervals here are so long that what waits for one does not get done.
 */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import type { ConsumerRecord } from '../../index.ts'
import { GroupWorld, range, type TestMember, until } from './group-world.ts'

const INTERVAL_MS = 120_000
const SESSION_MS = 600_000
const MEMBER_COUNT = 8
const PARTITION_COUNT = 32
/** Of each partition. */
const WRITE_INTERVAL_MS = 50

const PATIENT = { sessionTimeoutMs: SESSION_MS, autoCommitIntervalMs: 1_000 }

interface Processed {
  readonly atMs: number
  readonly memberId: string
}

/** Who processed what, when, by partition. */
class Journal {
  readonly #byPartition = new Map<number, Processed[]>()

  note(memberId: string, { partition }: ConsumerRecord): void {
    const entries = this.#byPartition.get(partition) ?? []
    this.#byPartition.set(partition, entries)
    entries.push({ atMs: performance.now(), memberId })
  }

  /** From the last record at one member to the first at the next, for all moves; sorted. */
  pausesMs(): number[] {
    const pauses: number[] = []
    for (const entries of this.#byPartition.values()) {
      for (const [index, { atMs, memberId }] of entries.entries()) {
        const before = entries[index - 1]
        if (before !== undefined && before.memberId !== memberId) pauses.push(atMs - before.atMs)
      }
    }
    return pauses.toSorted((left, right) => left - right)
  }
}

function isSettled(members: readonly TestMember[]): boolean {
  const owned = members.flatMap((member) => member.owned)
  const share = PARTITION_COUNT / members.length
  return new Set(owned).size === PARTITION_COUNT && members.every((member) => member.owned.length === share)
}

it('does not wait for a heartbeat interval: members come, leave and are closed at once', async () => {
  await using world = await GroupWorld.start(6, INTERVAL_MS)
  const first = await world.join(PATIENT)
  await until(() => first.owned.length === 6, 'the first one has all')
  const second = await world.join(PATIENT)
  const third = await world.join(PATIENT)
  const three = [first, second, third]
  await until(() => three.every(({ owned }) => owned.length === 2), 'three share')
  assert.equal(new Set(three.flatMap(({ owned }) => owned)).size, 6)
  const closingMs = performance.now()
  await second.subscription.close()
  const tookMs = performance.now() - closingMs
  assert.ok(tookMs < 100, `closed after ${tookMs} ms, with a heartbeat at the coordinator`)
  await until(() => first.owned.length === 3 && third.owned.length === 3, 'two share')
  await world.client.admin.addPartitions('t', 8)
  await until(() => first.owned.length === 4 && third.owned.length === 4, 'they have the new partitions')
})

it('stays with its partitions when the broker goes with a heartbeat, and comes back', async () => {
  await using world = await GroupWorld.start(2, INTERVAL_MS)
  const events: string[] = []
  const member = await world.join({ ...PATIENT, onLost: () => void events.push('lost') })
  await until(() => member.owned.length === 2, 'it has all')
  const startedMs = performance.now()
  await world.broker.stop()
  const tookMs = performance.now() - startedMs
  assert.ok(tookMs < 5_000, `the broker stopped after ${tookMs} ms: it has not waited for the heartbeat`)
  await world.broker.restart()
  const second = await world.join(PATIENT)
  await until(() => member.owned.length === 1 && second.owned.length === 1, 'they share')
  assert.deepEqual(events, [])
})

it('pauses partitions for no longer than their own way in a rolling restart of all members', async (t) => {
  await using world = await GroupWorld.start(PARTITION_COUNT, INTERVAL_MS)
  const journal = new Journal()
  const running: Promise<void>[] = []
  const join = async (): Promise<TestMember> => {
    const member = await world.join(PATIENT)
    const { memberId } = member.subscription
    const handler = (record: ConsumerRecord): void => journal.note(memberId, record)
    running.push(member.subscription.run({ handler }))
    return member
  }
  let members: TestMember[] = []
  for (let count = 0; count < MEMBER_COUNT; count++) members.push(await join())
  await until(() => isSettled(members), 'all share')
  let next = 0
  const write = (): void => {
    for (const partition of range(0, PARTITION_COUNT)) void world.write(partition, [next++]).catch(() => {})
  }
  const writing = setInterval(write, WRITE_INTERVAL_MS)
  try {
    for (const leaving of [...members]) {
      await leaving.subscription.close()
      members = [...members.filter((member) => member !== leaving), await join()]
      await until(() => isSettled(members), 'all share again')
    }
  } finally {
    clearInterval(writing)
  }
  for (const { subscription } of members) await subscription.close()
  await Promise.all(running)
  const pauses = journal.pausesMs()
  const at = (share: number): number => Math.round(pauses[Math.floor((pauses.length - 1) * share)]!)
  t.diagnostic(`${pauses.length} moves; pauses of ${at(0.5)} ms (median), ${at(0.95)} ms (95 %), ${at(1)} ms (longest)`)
  assert.ok(pauses.length >= MEMBER_COUNT * (PARTITION_COUNT / MEMBER_COUNT), 'partitions have moved')
  // While something moves, intervals are a tenth.
  assert.ok(at(1) < INTERVAL_MS / 10, `a pause of ${at(1)} ms: it has waited for a heartbeat`)
})
