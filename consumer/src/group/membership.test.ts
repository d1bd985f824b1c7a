import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { StratalogError } from '@stratalog/client'
import type { Heartbeat, MemberEffect, MemberPartition } from './member-effects.ts'
import { Membership } from './membership.ts'

const TOPIC_ID = Buffer.alloc(16, 7)
const place = (partition: number): MemberPartition => ({ topic: 't', topicId: TOPIC_ID, partition })
const numbers = (partitions: readonly MemberPartition[]): number[] => partitions.map(({ partition }) => partition)

/** A member with a clock, and its last heartbeat at hand. */
class Driven {
  readonly member: Membership
  nowMs = 0
  heartbeat: Heartbeat | null = null

  constructor(isStatic = false) {
    const settings = { isStatic, sessionTimeoutMs: 45_000, rebalanceTimeoutMs: 10_000, random: () => 0.5 }
    this.member = new Membership(settings)
  }

  /** Effects as text, so that a test reads like a trace. */
  see(effects: readonly MemberEffect[]): string[] {
    return effects.map((effect) => {
      if (effect.kind === 'send') {
        this.heartbeat = effect.heartbeat
        const { memberEpoch, isFull, owned } = effect.heartbeat
        const told = owned === null ? '' : ` owned ${numbers(owned).join(',') || 'none'}`
        return `send ${memberEpoch}${isFull ? ' full' : ''}${told}`
      }
      if (effect.kind === 'lose') return `lose ${numbers(effect.partitions)} ${effect.reason.code}`
      if (effect.kind === 'fail') return `fail ${effect.error.code}`
      return 'partitions' in effect ? `${effect.kind} ${numbers(effect.partitions)}` : effect.kind
    })
  }

  answer(memberEpoch: number, partitions: readonly number[] | null, heartbeatIntervalMs = 3_000): string[] {
    const assignment = partitions === null ? null : partitions.map(place)
    return this.see(
      this.member.answered(this.heartbeat!.id, { memberEpoch, heartbeatIntervalMs, assignment }, this.nowMs),
    )
  }

  fail(code: ConstructorParameters<typeof StratalogError>[0]): string[] {
    return this.see(this.member.failed(this.heartbeat!.id, new StratalogError(code), this.nowMs))
  }

  /** Goes on to the next deadline. */
  next(): string[] {
    this.nowMs = this.member.nextDeadlineMs
    return this.see(this.member.tick(this.nowMs))
  }

  on(event: 'finished' | 'committed' | 'givenUp', ...partitions: number[]): string[] {
    return this.see(this.member[event](partitions.map(place), this.nowMs))
  }

  /** A member with partitions 0 and 1 at epoch 3. */
  static joined(isStatic = false): Driven {
    const driven = new Driven(isStatic)
    assert.deepEqual(driven.see(driven.member.start(0)), ['send 0 full owned none'])
    // At once: it may wait at the coordinator for what comes next.
    assert.deepEqual(driven.answer(3, [0, 1]), ['joined', 'assign 0,1', 'send 3 owned 0,1'])
    return driven
  }
}

describe('a member of a group', () => {
  it('joins, acknowledges what it owns under the new epoch, and then only says that it lives', () => {
    const driven = Driven.joined()
    assert.deepEqual(driven.answer(3, null), [])
    assert.equal(driven.member.nextDeadlineMs, 3_000)
    assert.deepEqual(driven.next(), ['send 3'])
    // Kept by the coordinator for the whole interval: the next one is due at once.
    driven.nowMs += 3_000
    assert.deepEqual(driven.answer(3, null), ['send 3'])
    assert.equal(driven.nowMs, 6_000)
  })

  it('holds everything after a standstill, until a heartbeat that it has sent since is answered', () => {
    const driven = Driven.joined()
    const before = driven.heartbeat!
    driven.nowMs += 40_000
    assert.deepEqual(driven.see(driven.member.stoodStill(driven.nowMs)), ['hold', 'send 3 owned 0,1'])
    assert.deepEqual(driven.see(driven.member.stoodStill(driven.nowMs)), ['send 3 owned 0,1'])
    const stale = { memberEpoch: 3, heartbeatIntervalMs: 3_000, assignment: null }
    assert.deepEqual(driven.see(driven.member.answered(before.id, stale, driven.nowMs)), [])
    assert.deepEqual(driven.fail('NETWORK_EXCEPTION'), [])
    driven.next()
    assert.deepEqual(driven.answer(4, [1]), ['revoke 0', 'proceed', 'send 4 owned 0,1'])
  })

  it('loses everything after a standstill when the group has gone on without it, and starts anew', () => {
    const driven = Driven.joined()
    assert.deepEqual(driven.see(driven.member.stoodStill(60_000)), ['hold', 'send 3 owned 0,1'])
    driven.nowMs = 60_000
    const effects = driven.fail('UNKNOWN_MEMBER_ID')
    assert.deepEqual(effects.slice(0, 2), ['lose 0,1 UNKNOWN_MEMBER_ID', 'proceed'])
    assert.deepEqual(driven.see(driven.member.stoodStill(driven.nowMs)), [])
  })

  it('tells that a partition is given up only when it is finished, committed and released, and then at once', () => {
    const driven = Driven.joined()
    assert.deepEqual(driven.answer(4, [1]), ['revoke 0', 'send 4 owned 0,1'])
    assert.equal(driven.member.isHeld(place(0)), false)
    assert.equal(driven.member.isOwned(place(0)), true)
    assert.deepEqual(driven.on('committed', 0), [], 'out of turn')
    assert.deepEqual(driven.on('givenUp', 0), [], 'out of turn')
    assert.deepEqual(driven.on('finished', 0, 1), ['commit 0'], 'and nothing of a partition that stays')
    driven.answer(4, null)
    assert.deepEqual(driven.next(), ['send 4'], 'the session goes on meanwhile')
    assert.deepEqual(driven.on('committed', 0), ['release 0'])
    // In place of the heartbeat that is under way, which a coordinator may keep for a while.
    assert.deepEqual(driven.on('givenUp', 0), ['send 4 owned 1'])
    assert.deepEqual(driven.answer(5, [1, 2]), ['assign 2', 'send 5 owned 1,2'])
  })

  it('loses a partition that is not given up in time', () => {
    const driven = Driven.joined()
    driven.answer(4, [1], 60_000)
    driven.answer(4, null, 60_000)
    assert.deepEqual(driven.next(), ['lose 0 REQUEST_TIMED_OUT', 'send 4 owned 1'])
    assert.equal(driven.nowMs, 8_000)
    assert.deepEqual(driven.on('finished', 0), [])
  })

  it('keeps a partition that comes back while it is being given up', () => {
    const driven = Driven.joined()
    driven.answer(4, [1])
    assert.deepEqual(driven.answer(5, [0, 1]), ['send 5 owned 0,1'])
    driven.answer(5, null)
    driven.on('finished', 0)
    driven.on('committed', 0)
    assert.deepEqual(driven.on('givenUp', 0), ['assign 0'])
    assert.deepEqual(driven.next(), ['send 5'], 'what it owns is what it was told to')
  })

  it('says everything again after a failure', () => {
    const driven = Driven.joined()
    assert.deepEqual(driven.fail('NETWORK_EXCEPTION'), [])
    assert.deepEqual(driven.next(), ['send 3 full owned 0,1'])
    assert.ok(driven.nowMs < 100)
    assert.deepEqual(driven.fail('UNKNOWN_SERVER_ERROR'), [])
  })

  it('reports its partitions as lost and joins again when it is fenced', () => {
    for (const code of ['FENCED_MEMBER_EPOCH', 'UNKNOWN_MEMBER_ID'] as const) {
      const driven = Driven.joined()
      assert.deepEqual(driven.fail(code), [`lose 0,1 ${code}`, 'send 0 full owned none'])
      assert.deepEqual(driven.answer(9, [1]), ['joined', 'assign 1', 'send 9 owned 1'])
    }
  })

  it('ignores what an older heartbeat brings', () => {
    const driven = Driven.joined()
    const { id } = driven.heartbeat!
    // What it said of its partitions may never have arrived: it is said again.
    assert.deepEqual(driven.see(driven.member.hurry(driven.nowMs)), ['send 3 owned 0,1'])
    const late = { memberEpoch: 7, heartbeatIntervalMs: 0, assignment: [] }
    assert.deepEqual(driven.see(driven.member.answered(id, late, driven.nowMs)), [])
    assert.equal(driven.member.memberEpoch, 3)
  })

  it('gives everything up in order before it leaves', () => {
    const driven = Driven.joined()
    assert.deepEqual(driven.see(driven.member.close(0, 1_000)), ['revoke 0,1'])
    driven.on('finished', 1)
    driven.on('committed', 1)
    assert.deepEqual(driven.on('givenUp', 1), ['send 3 owned 0'])
    driven.on('finished', 0)
    driven.on('committed', 0)
    assert.deepEqual(driven.on('givenUp', 0), ['send -1'])
    assert.deepEqual(driven.answer(-1, null), ['left'])
    assert.equal(driven.member.nextDeadlineMs, Number.POSITIVE_INFINITY)
  })

  it('leaves without what hangs when the time to close is over, and whatever becomes of the leave', () => {
    const driven = Driven.joined()
    driven.answer(3, null)
    driven.see(driven.member.close(driven.nowMs, 1_000))
    assert.deepEqual(driven.next(), ['lose 0,1 REQUEST_TIMED_OUT', 'send -1'])
    assert.deepEqual(driven.fail('NETWORK_EXCEPTION'), ['left'])
  })

  it('waits for a join that is under way before it leaves', () => {
    const driven = new Driven()
    driven.see(driven.member.start(0))
    assert.deepEqual(driven.see(driven.member.close(0, 1_000)), [])
    assert.deepEqual(driven.answer(1, [0]), ['joined', 'send -1'])
  })

  it('leaves for a while when it is static, and for good when it steps aside', () => {
    const closing = Driven.joined(true)
    closing.see(closing.member.close(0, 0))
    assert.deepEqual(closing.next(), ['lose 0,1 REQUEST_TIMED_OUT', 'send -2'])

    const stuck = Driven.joined(true)
    const reason = new StratalogError('STALLED')
    assert.deepEqual(stuck.see(stuck.member.stepAside([place(0)], reason, 0)), ['lose 0 STALLED', 'revoke 1'])
    stuck.on('finished', 1)
    stuck.on('committed', 1)
    assert.deepEqual(stuck.on('givenUp', 1), ['send -1'])
    assert.deepEqual(stuck.answer(-1, null), [])
    assert.equal(stuck.member.nextDeadlineMs, Number.POSITIVE_INFINITY)
    assert.deepEqual(stuck.see(stuck.member.comeBack(0)), ['send 0 full owned none'])
  })

  it('is patient with a static predecessor for as long as its session may last', () => {
    const driven = new Driven(true)
    driven.see(driven.member.start(0))
    let effects = driven.fail('UNRELEASED_INSTANCE_ID')
    while (effects.length === 0) {
      assert.deepEqual(driven.next(), ['send 0 full owned none'])
      effects = driven.fail('UNRELEASED_INSTANCE_ID')
    }
    assert.deepEqual(effects, ['fail UNRELEASED_INSTANCE_ID'])
    assert.ok(driven.nowMs >= 50_000)
    assert.equal(driven.member.isDone, true)
  })

  it('is over when the group cannot take it', () => {
    const driven = new Driven()
    driven.see(driven.member.start(0))
    assert.deepEqual(driven.fail('INVALID_REGULAR_EXPRESSION'), ['fail INVALID_REGULAR_EXPRESSION'])
  })
})
