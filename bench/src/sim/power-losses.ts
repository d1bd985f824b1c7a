/**
 * Power losses of the whole cluster and nothing else: what is acknowledged is on a majority's disks, or it is lost here.
 */
import { type BrokerSimOptions, drawBrokerOptions } from '@stratalog/broker/simulation'

/** The cluster and load of a seed, losing power every few seconds. */
export function powerLossOptions(seed: number): BrokerSimOptions {
  const drawn = drawBrokerOptions(seed)
  return {
    ...drawn,
    faults: ['power-loss-all'],
    // Time to elect leaders and be under load again, more often than not.
    faultEveryMs: 4000,
    faultyMs: 60_000,
    produceEveryMs: Math.min(drawn.produceEveryMs, 40),
  }
}
