// temporary: single broker
import { join } from 'node:path'
import { Partition } from '../../partition/partition.ts'
import { BrokerCore as OldCore } from '../broker-core.ts'
import { groupOf } from './observer.ts'
import type { SimBroker } from './sim-broker.ts'
import type { SimProcess } from './sim-process.ts'

const P = Partition.prototype as any
P.members = () => ({ voters: [1], votersOutgoing: [], learners: [] })
P.replicaStates = () => []
Object.defineProperty(P, 'committedEnd', { get(this: any) { return this.bounds().highWatermark } })

export type BrokerCore = any
export async function openCore(broker: SimBroker, process: SimProcess): Promise<BrokerCore> {
  const core = await OldCore.start({
    fileSystem: broker.disk.fileSystem, store: broker.disk.store, clock: broker.clock.for(process), seed: broker.startCount,
  })
  broker.registered()
  const note = () => { for (const p of core.registry.all()) broker.copyIn(groupOf(p), join('/data/topics', `${p.topic}-${p.partition}`), false) }
  core.registry.onChange(note); note()
  return {
    registry: core.registry, controller: core.controller, close: () => core.stop(),
    view: { leaderOf: () => ({ leaderId: 1, leaderEpoch: 1 }), transferLeadership: async () => {} },
    metadataPartition: () => null, metadataOffset: () => 0,
  }
}
export function readStoredVote(row: Buffer): any { return { term: row.readInt32BE(1), vote: row.readInt32BE(5) } }
