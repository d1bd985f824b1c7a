/** All brokers of a simulation, the network between them, and what is known of topics. */
import type { Random } from 'raft-ts/testing'
import type { Observer } from './observer.ts'
import type { BrokerSimOptions } from './options.ts'
import { SimBroker } from './sim-broker.ts'
import { SimNetwork } from './sim-network.ts'
import type { World } from './world.ts'

/** See the file's header. */
export class SimCluster {
  readonly world: World
  readonly options: BrokerSimOptions
  readonly network: SimNetwork
  readonly brokers: ReadonlyMap<number, SimBroker>
  /** Topics whose deletion was asked for. */
  readonly deletedTopicIds: Set<string>
  /** No faults any more. */
  healed = false

  constructor(world: World, options: BrokerSimOptions, observer: Observer) {
    this.world = world
    this.options = options
    this.deletedTopicIds = observer.deletedTopicIds
    const ids = Array.from({ length: options.brokerCount }, (_, i) => i + 1)
    this.network = new SimNetwork(world, options.link, ids)
    this.brokers = new Map(ids.map((id) => [id, new SimBroker(this, observer, id)]))
  }

  /** Brokers whose processes run. */
  running(): SimBroker[] {
    return [...this.brokers.values()].filter((broker) => broker.process !== null)
  }

  /** A broker whose core is there, by chance; null when none is. */
  anyRunning(random: Random): SimBroker | null {
    const running = this.running().filter(({ core }) => core !== null)
    return running.length === 0 ? null : random.pick(running)
  }
}
