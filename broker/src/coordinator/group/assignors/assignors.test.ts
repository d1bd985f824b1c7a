/** Properties of the assignors: coverage, balance, stickiness, racks. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Assignment, EMPTY_ASSIGNMENT, hasPartition, partitionCount, sameAssignment } from '../assignment.ts'
import { topic } from '../test/shard-fixture.ts'
import type { TopicFacts } from '../topics.ts'
import type { Assignor, AssignorMember } from './assignor.ts'
import { mostAskedFor } from './by-name.ts'
import { assignRange } from './range.ts'
import { assignUniform } from './uniform.ts'

const RACKS = ['r1', 'r2', 'r3']
const sizes = fc.array(fc.integer({ min: 0, max: 12 }), { minLength: 1, maxLength: 6 })
const rack = fc.option(fc.constantFrom(...RACKS))

/** Topics of these sizes; odd ones have racks. */
function topicsOf(counts: readonly number[]): TopicFacts[] {
  return counts.map((count, i) => {
    const racks = i % 2 === 0 ? null : Array.from({ length: count }, (_, p) => [RACKS[p % 3]!])
    return topic(`t-${i}`, i + 1, count, racks)
  })
}

/** Members that all subscribe to the same. */
const equalGroup = fc.record({ sizes, racks: fc.array(rack, { minLength: 1, maxLength: 9 }) }).map((shape) => {
  const topics = topicsOf(shape.sizes)
  return shape.racks.map((each, i) => member(i, topics, each))
})

/** Members that subscribe to whatever. */
const mixedGroup = fc
  .record({
    sizes,
    members: fc.array(fc.record({ rack, wants: fc.array(fc.nat(5), { minLength: 0, maxLength: 6 }) }), {
      minLength: 1,
      maxLength: 9,
    }),
  })
  .map((shape) => {
    const topics = topicsOf(shape.sizes)
    return shape.members.map((each, i) =>
      member(
        i,
        topics.filter((_, t) => each.wants.includes(t)),
        each.rack,
      ),
    )
  })

function member(i: number, topics: readonly TopicFacts[], where: string | null): AssignorMember {
  return { memberId: `m-${i}`, rack: where, topics, previous: EMPTY_ASSIGNMENT }
}

function withPrevious(members: readonly AssignorMember[], targets: readonly Assignment[]): AssignorMember[] {
  return members.map((each, i) => ({ ...each, previous: targets[i] ?? EMPTY_ASSIGNMENT }))
}

function loads(targets: readonly Assignment[]): number[] {
  return targets.map(partitionCount)
}

const spread = (values: readonly number[]): number => Math.max(...values) - Math.min(...values)

/** Each partition of a topic that is subscribed to has one owner, and that one subscribes to it. */
function checkCoverage(members: readonly AssignorMember[], targets: readonly Assignment[]): void {
  assert.equal(targets.length, members.length)
  const owned = new Set<string>()
  for (const [i, target] of targets.entries()) {
    for (const [topicId, partitions] of target) {
      const facts = members[i]!.topics.find((each) => each.topicId === topicId)
      assert.ok(facts !== undefined, 'a member has a topic that it does not subscribe to')
      for (const partition of partitions) {
        assert.ok(partition < facts.partitionCount)
        assert.ok(!owned.has(`${topicId}/${partition}`), 'a partition has two owners')
        owned.add(`${topicId}/${partition}`)
      }
    }
  }
  const wanted = new Set(members.flatMap(({ topics }) => topics))
  assert.equal(
    owned.size,
    [...wanted].reduce((sum, { partitionCount: count }) => sum + count, 0),
  )
}

/** Partitions that another member has than before, of those that had one. */
function movedCount(before: readonly AssignorMember[], after: readonly Assignment[], ids: readonly string[]): number {
  let moved = 0
  for (const { memberId, previous } of before) {
    const now = after[ids.indexOf(memberId)] ?? EMPTY_ASSIGNMENT
    for (const [topicId, partitions] of previous) {
      moved += partitions.filter((partition) => !hasPartition(now, topicId, partition)).length
    }
  }
  return moved
}

for (const [name, assign] of [
  ['uniform', assignUniform],
  ['range', assignRange],
] as [string, Assignor][]) {
  test(`property, ${name}: every partition has exactly one owner among its subscribers`, () => {
    fc.assert(fc.property(fc.oneof(equalGroup, mixedGroup), (members) => checkCoverage(members, assign(members))))
  })

  test(`property, ${name}: what was assigned stays when nothing changes`, () => {
    fc.assert(
      fc.property(fc.oneof(equalGroup, mixedGroup), (members) => {
        const targets = assign(members)
        const again = assign(withPrevious(members, targets))
        for (const [i, target] of again.entries()) assert.ok(sameAssignment(target, targets[i]!))
      }),
    )
  })
}

test('property, uniform: with equal subscriptions, counts differ by one at most', () => {
  fc.assert(fc.property(equalGroup, (members) => assert.ok(spread(loads(assignUniform(members))) <= 1)))
})

test('property, uniform: with mixed subscriptions, no single move makes it more even', () => {
  fc.assert(
    fc.property(mixedGroup, (members) => {
      const targets = assignUniform(members)
      const counts = loads(targets)
      for (const [i, target] of targets.entries()) {
        for (const topicId of target.keys()) {
          for (const [j, { topics }] of members.entries()) {
            if (!topics.some((each) => each.topicId === topicId)) continue
            assert.ok(counts[i]! - counts[j]! <= 1, `m-${i} has ${counts[i]}, m-${j} has ${counts[j]}`)
          }
        }
      }
    }),
  )
})

test('property, uniform: a member that joins or leaves moves no more than an even share takes', () => {
  fc.assert(
    fc.property(equalGroup, rack, fc.nat(), (members, where, pick) => {
      const settled = withPrevious(members, assignUniform(members))
      const total = settled.reduce((sum, { previous }) => sum + partitionCount(previous), 0)

      const joined = [...settled, member(settled.length, settled[0]!.topics, where)]
      const afterJoin = assignUniform(joined)
      const newShare = partitionCount(afterJoin.at(-1)!)
      assert.ok(spread(loads(afterJoin)) <= 1)
      assert.equal(
        movedCount(
          settled,
          afterJoin,
          joined.map((each) => each.memberId),
        ),
        newShare,
      )
      assert.ok(newShare <= Math.ceil(total / joined.length))

      const leaver = pick % settled.length
      const rest = settled.filter((_, i) => i !== leaver)
      if (rest.length === 0) return
      const afterLeave = assignUniform(rest)
      assert.equal(
        movedCount(
          rest,
          afterLeave,
          rest.map((each) => each.memberId),
        ),
        0,
        'others keep all they had',
      )
      assert.ok(spread(loads(afterLeave)) <= 1)
    }),
  )
})

test('property, uniform: any earlier assignment is kept as far as an even one allows', () => {
  const group = fc.record({ counts: fc.array(fc.nat(20), { minLength: 1, maxLength: 8 }), free: fc.nat(10) })
  fc.assert(
    fc.property(group, ({ counts, free }) => {
      const total = counts.reduce((sum, count) => sum + count, free)
      const topics = [topic('t', 1, total)]
      let next = 0
      const members = counts.map((count, i) => {
        const mine = Array.from({ length: count }, () => next++)
        return {
          ...member(i, topics, null),
          previous: mine.length === 0 ? EMPTY_ASSIGNMENT : new Map([[topics[0]!.topicId, mine]]),
        }
      })
      const least = Math.floor(total / counts.length)
      const extras = Math.min(total % counts.length, counts.filter((count) => count > least).length)
      const surplus = counts.reduce((sum, count) => sum + Math.max(0, count - least), 0) - extras
      const targets = assignUniform(members)
      assert.equal(
        movedCount(
          members,
          targets,
          members.map((each) => each.memberId),
        ),
        surplus,
      )
    }),
  )
})

test('property, uniform: where each rack has its share, every partition is read in its rack', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 10 }), (perRack, share) => {
      const count = 3 * perRack * share
      const racks = Array.from({ length: count }, (_, p) => [RACKS[p % 3]!])
      const topics = [topic('t', 1, count, racks)]
      const members = Array.from({ length: 3 * perRack }, (_, i) => member(i, topics, RACKS[i % 3]!))
      for (const [i, target] of assignUniform(members).entries()) {
        for (const partition of target.get(topics[0]!.topicId)!) assert.deepEqual(racks[partition], [members[i]!.rack])
      }
    }),
  )
})

test('uniform: what has to go, goes from another rack first', () => {
  const topics = [topic('t', 1, 4, [['r1'], ['r2'], ['r1'], ['r2']])]
  const all = new Map([[topics[0]!.topicId, [0, 1, 2, 3]]])
  const [first, second] = assignUniform([{ ...member(0, topics, 'r1'), previous: all }, member(1, topics, 'r2')])
  assert.deepEqual([...first!.values()], [[0, 2]])
  assert.deepEqual([...second!.values()], [[1, 3]])
})

test('property, range: members with equal subscriptions get the same partition numbers of topics of the same size', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 0, max: 20 }), (memberCount, count) => {
      const topics = [topic('a', 1, count), topic('b', 2, count)]
      const targets = assignRange(Array.from({ length: memberCount }, (_, i) => member(i, topics, null)))
      for (const target of targets) {
        assert.deepEqual(target.get(topics[0]!.topicId), target.get(topics[1]!.topicId))
        assert.ok(partitionCount(target) <= 2 * Math.ceil(count / memberCount))
      }
    }),
  )
})

test('a group uses the assignor that most of its members ask for, the default where they are even', () => {
  assert.equal(mostAskedFor([], 'uniform'), 'uniform')
  assert.equal(mostAskedFor(['range', null, 'range'], 'uniform'), 'range')
  assert.equal(mostAskedFor(['range', null], 'uniform'), 'uniform')
  assert.equal(mostAskedFor(['uniform', null], 'range'), 'range')
})

test('uniform takes a hundred thousand partitions and a thousand members at once', () => {
  const topics = Array.from({ length: 100 }, (_, i) => topic(`t-${String(i).padStart(3, '0')}`, i + 1, 1000))
  const members = Array.from({ length: 1000 }, (_, i) => member(i, topics, RACKS[i % 3]!))
  const targets = assignUniform(members)
  assert.equal(spread(loads(targets)), 0)
  const joined = [...withPrevious(members, targets), member(1000, topics, null)]
  assert.equal(partitionCount(assignUniform(joined).at(-1)!), 99)
})

test('uniform with ten thousand topics and two kinds of members', () => {
  const topics = Array.from({ length: 10_000 }, (_, i) => topic(`t-${String(i).padStart(5, '0')}`, i + 1, 1))
  const some = topics.slice(0, 5000)
  const members = Array.from({ length: 100 }, (_, i) => member(i, i % 2 === 0 ? topics : some, null))
  const targets = assignUniform(members)
  checkCoverage(members, targets)
  assert.ok(spread(loads(targets)) <= 1)
})
