/**
 * Sends commits, one after another so that none overtakes an older one, and tries again what a moment or a new member epoch
 * does away with, for as long as the partition is the member's.
 */
import {
  backoffDelayMs,
  type CommittedOffset,
  delay,
  isStratalogError,
  type OffsetToCommit,
  RETRY_BACKOFF,
} from '@stratalog/client'
import { StratalogError } from '@stratalog/proto'
import type { MemberPartition } from './member-effects.ts'
import { judge, type MemberIdentity } from './member-identity.ts'

/** An offset of a partition of the member's. */
export interface PartitionCommit extends OffsetToCommit {
  readonly place: MemberPartition
}

/** What became of it; `error` null = it, or a later one, is committed. */
export interface CommitOutcome {
  readonly commit: PartitionCommit
  /** What is committed now. */
  readonly offset: number
  readonly error: StratalogError | null
}

/** See the file's header. */
export class OffsetCommitter {
  readonly #identity: MemberIdentity
  #last: Promise<unknown> = Promise.resolve()

  constructor(identity: MemberIdentity) {
    this.#identity = identity
  }

  /**
   * Commits what `gather` gives when its turn has come. Never rejects; outcomes in order.
   *
   * @param timeoutMs from its turn on; what is not committed by then has an error.
   */
  commit(gather: () => readonly PartitionCommit[], timeoutMs: number): Promise<CommitOutcome[]> {
    const outcome = this.#last.then(() => this.#run(gather(), performance.now() + timeoutMs))
    this.#last = outcome
    return outcome
  }

  async #run(commits: readonly PartitionCommit[], deadlineMs: number): Promise<CommitOutcome[]> {
    const outcomes = new Map<PartitionCommit, CommitOutcome>()
    let due = commits
    for (let failureCount = 1; due.length > 0; failureCount++) {
      const sentEpoch = this.#identity.memberEpoch()
      const answers = await this.#attempt(due, sentEpoch, deadlineMs)
      const again: PartitionCommit[] = []
      let mustBeat = false
      due.forEach((commit, index) => {
        const answer = answers[index]!
        const { error } = answer
        const verdict = error === null ? 'no' : judge(error)
        outcomes.set(commit, { commit, offset: answer.offset ?? commit.offset, error })
        if (verdict === 'no' || !this.#identity.isOwned(commit.place)) return
        if (verdict === 'beat') mustBeat = true
        again.push(commit)
      })
      due = again
      const waitMs = backoffDelayMs(failureCount, RETRY_BACKOFF, Math.random)
      if (due.length === 0 || performance.now() + waitMs >= deadlineMs) break
      if (mustBeat && this.#identity.memberEpoch() === sentEpoch) this.#identity.hurry()
      await delay(waitMs)
      // What was lost meanwhile keeps its error.
      due = due.filter(({ place }) => this.#identity.isOwned(place))
    }
    return commits.map((commit) => outcomes.get(commit)!)
  }

  async #attempt(
    commits: readonly PartitionCommit[],
    memberEpoch: number,
    deadlineMs: number,
  ): Promise<Pick<CommittedOffset, 'offset' | 'error'>[]> {
    const { client, group, memberId } = this.#identity
    const fail = (error: StratalogError) => commits.map(() => ({ offset: null, error }))
    try {
      const timeoutMs = Math.max(1, Math.ceil(deadlineMs - performance.now()))
      const answers = await client.groups.commitOffsets(group, commits, { memberId, memberEpoch }, { timeoutMs })
      if (answers.length === commits.length) return answers
      const text = `the coordinator answered ${answers.length} of ${commits.length} partitions`
      return fail(new StratalogError('UNKNOWN_SERVER_ERROR', text))
    } catch (error) {
      if (!isStratalogError(error)) throw error
      return fail(error)
    }
  }
}
