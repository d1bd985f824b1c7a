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
]
