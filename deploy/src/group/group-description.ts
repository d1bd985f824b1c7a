/**
 * A group in full, for people: its state, what holds it up, its members and its partitions.
 */
import { formatAddress, type GroupDescription } from '@stratalog/client'
import { renderPairs, renderTable } from '../output/table.ts'
import { totalLag } from './group-lag.ts'
import { lagText, MEMBER_COLUMNS, memberCells, PARTITION_COLUMNS, partitionCells } from './group-tables.ts'

/**
 * The page of `group describe`.
 *
 * @param nowMs wall time.
 * @param extra further pairs for its head.
 */
export function renderGroup(
  group: GroupDescription,
  nowMs: number,
  extra: readonly (readonly [string, string])[] = [],
): string {
  const { groupId, state, groupEpoch, assignor, coordinator, members, partitions, reasons } = group
  const head = renderPairs([
    ['group', groupId],
    ['state', state],
    ['epoch', `${groupEpoch}, assignor ${assignor}`],
    ['coordinator', coordinator === null ? 'none' : `broker ${coordinator.brokerId} (${formatAddress(coordinator)})`],
    ['members', String(members.length)],
    ['lag', lagText(totalLag(partitions))],
    ...extra,
  ])
  const standstill = reasons.length === 0 ? '' : `\nwhat holds it up:\n${reasons.map((each) => `  ${each}\n`).join('')}`
  const memberTable = members.length === 0 ? '' : `\n${renderTable(MEMBER_COLUMNS, members.map(memberCells))}`
  const rows = partitions.map((partition) => partitionCells(partition, members, nowMs))
  const partitionTable = rows.length === 0 ? '' : `\n${renderTable(PARTITION_COLUMNS, rows)}`
  return `${head}${standstill}${memberTable}${partitionTable}`
}
