/**
 * What the subcommands of `stratalog broker` do.
 */
import { type AdminClient, type BrokerDescription, delay, StratalogError } from '@stratalog/client'
import type { BrokerDecommissionOptions, BrokerDrainOptions } from '../commands/broker.ts'
import type { ClusterOptions } from '../commands/shared-options.ts'
import { confirm } from '../confirm.ts'
import { printDone, printListing } from '../output/printer.ts'
import { BROKER_COLUMNS, brokerCells } from './broker-table.ts'
import { withClient } from './connect.ts'

const POLL_INTERVAL_MS = 200

/** `broker list`. */
export async function listBrokers(options: ClusterOptions): Promise<void> {
  const { brokers } = await withClient(options, ({ admin }) => admin.describeCluster())
  printListing({ rows: brokers, columns: BROKER_COLUMNS, cells: brokerCells }, options.output)
}

/** `broker drain`. */
export async function drainBroker(brokerId: number, options: BrokerDrainOptions): Promise<void> {
  const { dryRun: validateOnly, force, wait, output } = options
  await withClient(options, async ({ admin }) => {
    let broker = await admin.drainBroker(brokerId, { validateOnly, force })
    if (validateOnly) {
      printDone(`broker ${brokerId} can be drained`, { drained: false, brokerId, broker }, output)
      return
    }
    if (wait) broker = await waitForBroker(admin, brokerId, ({ leaderCount }) => leaderCount === 0)
    const left = broker?.leaderCount ?? 0
    const rest = left === 0 ? 'it leads nothing' : `it still leads ${partitions(left)} and hands them over`
    printDone(`broker ${brokerId} is drained: ${rest}`, { drained: true, brokerId, broker }, output)
  })
}

/** `broker undrain`. */
export async function undrainBroker(brokerId: number, options: ClusterOptions): Promise<void> {
  const broker = await withClient(options, ({ admin }) => admin.drainBroker(brokerId, { undo: true }))
  printDone(`broker ${brokerId} may lead again`, { drained: false, brokerId, broker }, options.output)
}

/** `broker decommission`: asks for the broker's id on a terminal; elsewhere `--yes` is needed. */
export async function decommissionBroker(brokerId: number, options: BrokerDecommissionOptions): Promise<void> {
  const { cancel, dryRun: validateOnly, wait, yes, output } = options
  if (!cancel && !validateOnly) {
    const warning = `This moves all replicas off broker ${brokerId} and removes it from the cluster for good.`
    await confirm(
      { warning, name: String(brokerId), refusal: `broker ${brokerId} was not decommissioned` },
      yes === true,
    )
  }
  await withClient(options, async ({ admin }) => {
    let broker = await admin.decommissionBroker(brokerId, { cancel, validateOnly })
    if (validateOnly) {
      printDone(`broker ${brokerId} can be decommissioned`, { decommissioning: false, brokerId, broker }, output)
      return
    }
    if (cancel) {
      printDone(`broker ${brokerId} stays in the cluster`, { decommissioning: false, brokerId, broker }, output)
      return
    }
    if (wait) broker = await waitForBroker(admin, brokerId, () => false)
    const sentence =
      broker === null
        ? `broker ${brokerId} has left the cluster and can be stopped`
        : `broker ${brokerId} is being decommissioned: ${partitions(broker.replicaCount)} to be moved away`
    printDone(sentence, { decommissioning: true, removed: broker === null, brokerId, broker }, output)
  })
}

/** Looks until the broker, if it answers, is so, or has left; null when it has. */
async function waitForBroker(
  admin: AdminClient,
  brokerId: number,
  isSo: (broker: BrokerDescription) => boolean,
): Promise<BrokerDescription | null> {
  for (;;) {
    const broker = await admin
      .describeCluster()
      .then(({ brokers }) => brokers.find((each) => each.brokerId === brokerId) ?? null)
    if (broker === null) return null
    if (broker.state === 'unreachable') {
      throw new StratalogError('BROKER_NOT_AVAILABLE', `broker ${brokerId} cannot be reached`)
    }
    if (isSo(broker)) return broker
    await delay(POLL_INTERVAL_MS)
  }
}

function partitions(count: number): string {
  return `${count} partition${count === 1 ? '' : 's'}`
}
