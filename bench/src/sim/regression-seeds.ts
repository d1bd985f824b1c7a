/**
 * Seeds that once found a bug in the broker, kept so that it does not come back unseen.
 *
 * A seed stands for the same run only as long as the simulation draws the same numbers; what each bug was is written down,
 * and the planted bugs of `mutants` bring the classes back for good.
 */

/** One finding. */
export interface RegressionSeed {
  readonly seed: number
  readonly found: string
}

/** In the order in which they were found. */
export const REGRESSION_SEEDS: readonly RegressionSeed[] = [
  { seed: 1, found: 'after a failed sync and a restart, recovery synced batches that the page cache called clean' },
  { seed: 13, found: 'a partition that could not be opened on a full disk was not opened when there was room again' },
  { seed: 24, found: 'a broker whose copy of the metadata log was damaged never started again' },
  { seed: 60, found: 'a data folder put back from an old copy voted a second time in a term' },
  { seed: 6023, found: 'a late registration of a former run cost a healthy broker all its copies' },
  { seed: 8022, found: 'a broker with old metadata refused for ever whoever could have told it the news' },
  { seed: 377906565756, found: 'a full disk met before the log was open was taken for a failure that lasts' },
  {
    seed: 18,
    found: 'a broker whose copy of the metadata was found damaged waited for that very copy to say it is renewed',
  },
  {
    seed: 1071358058645,
    found: 'what a full disk left behind came back in a sealed segment, which was called damaged',
  },
  {
    seed: 1071358059349,
    found: 'a broker with an old copy of the metadata registered through that copy, and waited for ever',
  },
  { seed: 1071358059411, found: 'the scrubber read a log while it was cut, and called it damaged' },
  { seed: 1071358059424, found: 'old rejections on a slow link passed for a copy that had lost something' },
]
