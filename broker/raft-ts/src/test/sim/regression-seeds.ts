/**
 * Seeds that once found a bug in raft-ts, kept so that it does not come back unseen.
 *
 * A seed stands for the same run only as long as the simulator draws the same numbers; what each bug was is written down,
 * and the planted bugs of `../mutants` bring the classes back for good.
 */

/** One finding. */
export interface RegressionSeed {
  readonly seed: number
  readonly found: string
}

/** In the order in which they were found. */
export const REGRESSION_SEEDS: readonly RegressionSeed[] = [
  { seed: 1, found: 'hasReady() stayed true while committed entries were being loaded: a shell would spin' },
  { seed: 8, found: 'a candidate led on the votes of others before its own vote was durable' },
  { seed: 157, found: 'an old answer of a new node restarted a hand-over that had long succeeded' },
  { seed: 280, found: 'leadership transfers put off the quorum checks of a leader' },
  { seed: 20001870, found: 'reads that waited for a voter that was then removed were never answered' },
  {
    seed: 378889653482,
    found: 'without persistCommit a restart forgot two committed changes and led a configuration of the past',
  },
  {
    seed: 366637095890,
    found:
      'a snapshot was asked for while a change was being applied: it held the change, and the configuration before',
  },
  {
    seed: 878550616292,
    found: 'a leader that only said that all was quiet never heard of the later term of a node it had lost',
  },
  { seed: 20004420, found: 'a new voter that was never heard from counted as alive when others were removed' },
  {
    seed: 897893382486,
    found: 'with applyBeforePersisted the simulated shell stored a configuration ahead of the log, and lost the log',
  },
]
