/**
 * Majorities, single and joint.
 *
 * Invariant: any two majorities of one voter set share a voter; a joint decision needs a majority of both of its halves,
 * so it shares a voter with every decision of either. An empty half agrees with everything (it has nobody to ask).
 */
import type { NodeId } from './ids.ts'

/** Outcome of a vote: decided either way, or waiting for more. */
export type VoteResult = 'won' | 'lost' | 'pending'

/** Number of votes that make a majority of `count` voters. */
export function majorityOf(count: number): number {
  return (count >> 1) + 1
}

/**
 * The greatest value that a majority has reached. Sorts `values` in place.
 *
 * @param values what each voter has reached; a voter that was not heard of counts as 0.
 * @returns Infinity for no voters.
 */
export function reachedByMajority(values: number[]): number {
  const count = values.length
  if (count === 0) return Number.POSITIVE_INFINITY
  // Insertion sort: voter sets are tiny, and this neither allocates nor calls back.
  for (let i = 1; i < count; i++) {
    const value = values[i]!
    let j = i - 1
    while (j >= 0 && values[j]! > value) {
      values[j + 1] = values[j]!
      j--
    }
    values[j + 1] = value
  }
  return values[count - majorityOf(count)]!
}

/** Result of a vote among `voters`; those missing from `votes` have not answered. */
export function voteResult(voters: readonly NodeId[], votes: ReadonlyMap<NodeId, boolean>): VoteResult {
  if (voters.length === 0) return 'won'
  let granted = 0
  let missing = 0
  for (const id of voters) {
    const vote = votes.get(id)
    if (vote === undefined) missing++
    else if (vote) granted++
  }
  const needed = majorityOf(voters.length)
  if (granted >= needed) return 'won'
  return granted + missing >= needed ? 'pending' : 'lost'
}

/** Result of a vote in which both halves must agree. */
export function jointVoteResult(
  incoming: readonly NodeId[],
  outgoing: readonly NodeId[],
  votes: ReadonlyMap<NodeId, boolean>,
): VoteResult {
  const first = voteResult(incoming, votes)
  const second = voteResult(outgoing, votes)
  if (first === second) return first
  if (first === 'lost' || second === 'lost') return 'lost'
  return 'pending'
}
