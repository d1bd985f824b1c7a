/**
 * Brokers as rows of a table.
 */
import { type BrokerDescription, formatAddress } from '@stratalog/client'
import { formatBytes } from '../output/quantity.ts'
import type { Column } from '../output/table.ts'

/** The columns that {@link brokerCells} fills. */
export const BROKER_COLUMNS: readonly Column[] = [
  { title: 'BROKER', align: 'right' },
  { title: 'ADDRESS' },
  { title: 'RACK' },
  { title: 'PID', align: 'right' },
  { title: 'STATE' },
  { title: 'LEADS', align: 'right' },
  { title: 'REPLICAS', align: 'right' },
  { title: 'SIZE', align: 'right' },
  { title: 'VERSION' },
  { title: 'STARTED' },
]

/** What cannot be known of a broker that does not answer. */
const UNKNOWN = '-'

/** One broker. */
export function brokerCells(broker: BrokerDescription): string[] {
  const answers = broker.pid !== 0
  const known = (text: string): string => (answers ? text : UNKNOWN)
  return [
    String(broker.brokerId),
    broker.address === null ? 'unknown' : formatAddress(broker.address),
    broker.rack === '' ? UNKNOWN : broker.rack,
    known(String(broker.pid)),
    stateOf(broker),
    known(String(broker.leaderCount)),
    known(String(broker.replicaCount)),
    known(formatBytes(broker.logBytes)),
    known(broker.version),
    known(new Date(broker.startedAtMs).toISOString()),
  ]
}

/** An unreachable broker may be in maintenance as well. */
function stateOf({ state, drained, decommissioning }: BrokerDescription): string {
  if (state !== 'unreachable') return state === 'draining' && drained ? 'drained' : state
  if (decommissioning) return 'unreachable, decommissioning'
  return drained ? 'unreachable, drained' : state
}
