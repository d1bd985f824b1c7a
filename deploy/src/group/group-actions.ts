/**
 * What `stratalog group` does, except for moving offsets: seek-group.ts.
 */
import {
  type AdminClient,
  type CommittedOffset,
  type GroupDescription,
  type GroupListing,
  StratalogError,
} from '@stratalog/client'
import { withClient } from '../cluster/connect.ts'
import { CommandError, usageError } from '../command-error.ts'
import type {
  GroupDeleteOffsetsOptions,
  GroupDeleteOptions,
  GroupDescribeOptions,
  GroupLagOptions,
  GroupListOptions,
} from '../commands/group.ts'
import { confirm } from '../confirm.ts'
import { EXIT_STATUS } from '../exit-status.ts'
import { printDocument, printDone, printListing } from '../output/printer.ts'
import { formatCount, formatDuration } from '../output/quantity.ts'
import { renderTable } from '../output/table.ts'
import { ShutdownSignal } from '../shutdown-signal.ts'
import { namingNearest } from './find-group.ts'
import { renderGroup } from './group-description.ts'
import { type LagTotal, totalLag } from './group-lag.ts'
import { lagText, PARTITION_COLUMNS, partitionCells } from './group-tables.ts'
import { byTopic, formatPlaces, isSelected, parseTopicSelections, type TopicSelection } from './partition-selection.ts'
import { watchGroup } from './watch-group.ts'

/** `group list`. Errors: those of coordinators that did not answer, after the groups of the others. */
export async function listGroups(options: GroupListOptions): Promise<void> {
  const { state: states, output } = options
  const { groups, errors } = await withClient(options, ({ admin }) =>
    admin.listGroups(states === undefined ? {} : { states }),
  )
  printListing<GroupListing>(
    {
      rows: groups,
      columns: [
        { title: 'GROUP' },
        { title: 'STATE' },
        { title: 'MEMBERS', align: 'right' },
        { title: 'COORDINATOR', align: 'right' },
      ],
      cells: ({ groupId, state, memberCount, coordinatorId }) => [
        groupId,
        state,
        String(memberCount),
        String(coordinatorId),
      ],
    },
    output,
  )
  const [first] = errors
  if (first === undefined) return
  const texts = errors.map(({ message }) => message).join('; ')
  throw new StratalogError(first.code, `the list is not complete: ${texts}`, { cause: first, hint: first.hint })
}

/** `group describe`. */
export async function describeGroup(groupId: string, options: GroupDescribeOptions): Promise<void> {
  const { output } = options
  if (options.watch === undefined) {
    const group = await withClient(options, ({ admin }) => describe(admin, groupId))
    printDocument(group, (each) => renderGroup(each, Date.now()), output)
    return
  }
  const shutdown = new ShutdownSignal()
  try {
    const { signal } = shutdown
    const watch = { groupId, intervalMs: options.interval, output, screen: process.stdout, signal }
    await withClient(options, (client) => watchGroup(client, watch))
  } finally {
    shutdown.release()
  }
}

/** `group lag`. Errors: `LAGGING` (status 6) above a limit, LEADER_NOT_AVAILABLE (5) when a lag is not known. */
export async function showLag(groupId: string, options: GroupLagOptions): Promise<void> {
  const selections = options.topic === undefined ? null : parseTopicSelections(options.topic)
  const group = await withClient(options, ({ admin }) => describe(admin, groupId))
  const partitions = group.partitions.filter((place) => selections === null || isSelected(selections, place))
  if (selections !== null && partitions.length === 0) throw nothingSelected(groupId, options.topic ?? [])
  const total = totalLag(partitions)
  printDocument({ groupId, total, partitions }, () => renderLag(group, partitions, total), options.output)
  checkLag(groupId, total, options)
}

/** `group delete-offsets`. */
export async function deleteOffsets(groupId: string, options: GroupDeleteOffsetsOptions): Promise<void> {
  const selections = parseTopicSelections(options.topic)
  await withClient(options, async ({ admin }) => {
    const offsets = await committedOffsets(admin, groupId, selections, options.topic)
    const places = formatPlaces(offsets)
    const warning = `Group ${groupId} will not know any more what it has read of ${places}.`
    await confirm({ warning, name: groupId, refusal: 'no offsets were deleted' }, options.yes === true)
    const outcomes = await admin.deleteOffsets(groupId, byTopic(offsets))
    const failed = outcomes.find(({ error }) => error !== null)
    if (failed?.error) throw failed.error
    const deleted = offsets.map(({ topic, partition, offset }) => ({ topic, partition, offset }))
    printDone(`group ${groupId} has forgotten ${places}`, { groupId, deleted }, options.output)
  })
}

/** `group delete`: asks for the group's name on a terminal; elsewhere `--yes` is needed. */
export async function deleteGroup(groupId: string, options: GroupDeleteOptions): Promise<void> {
  const warning = `This forgets group ${groupId} and all it has read.`
  await confirm({ warning, name: groupId, refusal: `group ${groupId} was not deleted` }, options.yes === true)
  await withClient(options, ({ admin }) => namingNearest(admin, groupId, () => admin.deleteGroup(groupId)))
  printDone(`deleted group ${groupId}`, { deleted: true, groupId }, options.output)
}

function describe(admin: AdminClient, groupId: string): Promise<GroupDescription> {
  return namingNearest(admin, groupId, () => admin.describeGroup(groupId))
}

function renderLag(group: GroupDescription, partitions: GroupDescription['partitions'], total: LagTotal): string {
  const nowMs = Date.now()
  const rows = partitions.map((partition) => partitionCells(partition, group.members, nowMs))
  return `${renderTable(PARTITION_COLUMNS, rows)}total: ${lagText(total)}\n`
}

function checkLag(groupId: string, total: LagTotal, { maxRecords, maxTime }: GroupLagOptions): void {
  const { lagRecords, lagMs, unknownCount } = total
  const excess = [
    ...(maxRecords !== undefined && lagRecords > maxRecords
      ? [`${formatCount(lagRecords)} records, more than ${formatCount(maxRecords)}`]
      : []),
    ...(maxTime !== undefined && (lagMs ?? 0) > maxTime
      ? [`${formatDuration(lagMs ?? 0)}, more than ${formatDuration(maxTime)}`]
      : []),
  ]
  if (excess.length > 0) {
    throw new CommandError(
      'LAGGING',
      `group ${groupId} is behind by ${excess.join(', and by ')}`,
      `see what holds it up: stratalog group describe ${groupId}`,
      EXIT_STATUS.unhealthy,
      { lagRecords: String(lagRecords), ...(lagMs === null ? {} : { lagMs: String(lagMs) }) },
    )
  }
  if (unknownCount > 0) {
    const text = `the lag of ${unknownCount} partition${unknownCount === 1 ? '' : 's'} is not known: no leader answers`
    throw new StratalogError('LEADER_NOT_AVAILABLE', text)
  }
}

/** What the group has committed of these. Errors: `USAGE` when it is nothing. */
async function committedOffsets(
  admin: AdminClient,
  groupId: string,
  selections: readonly TopicSelection[],
  texts: readonly string[],
): Promise<CommittedOffset[]> {
  const all = await namingNearest(admin, groupId, () => admin.fetchOffsets(groupId))
  const chosen = all.filter((place) => place.offset !== null && isSelected(selections, place))
  if (chosen.length === 0) throw nothingSelected(groupId, texts)
  return chosen
}

function nothingSelected(groupId: string, texts: readonly string[]): Error {
  return usageError(
    `group ${groupId} has nothing of ${texts.join(', ')}`,
    `see what it has: stratalog group describe ${groupId}`,
  )
}
