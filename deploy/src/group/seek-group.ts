/**
 * `group seek`: shows where each committed offset would go, asks, and moves them, all or none.
 */
import { type AdminClient, type OffsetReset, type OffsetResetResult, StratalogError } from '@stratalog/client'
import { withClient } from '../cluster/connect.ts'
import { CommandError } from '../command-error.ts'
import type { GroupSeekOptions } from '../commands/group.ts'
import { confirm } from '../confirm.ts'
import { choosePartitions } from '../consume/read-plan.ts'
import { printDone } from '../output/printer.ts'
import { formatCount } from '../output/quantity.ts'
import { renderTable } from '../output/table.ts'
import { noSuchGroup } from './find-group.ts'
import { byTopic, parseTopicSelections } from './partition-selection.ts'
import { parseSeekTarget } from './seek-target.ts'

type Selection = NonNullable<OffsetReset['partitions']>

/** Runs it. Errors: `USAGE`, GROUP_NOT_EMPTY, GROUP_ID_NOT_FOUND, and what a partition could not be moved for. */
export async function seekGroup(groupId: string, options: GroupSeekOptions): Promise<void> {
  const to = parseSeekTarget(options.to, Date.now())
  const { topic: topics = [], output, dryRun } = options
  const selections = parseTopicSelections(topics)
  await withClient(options, async ({ admin }) => {
    const partitions: Selection = await Promise.all(
      selections.map(async ({ topic, partitions: chosen }) => {
        const [described] = await admin.describeTopics([topic])
        const existing = described?.partitions.map(({ partition }) => partition) ?? []
        return { topic, partitions: choosePartitions(topic, existing, chosen === null ? undefined : [...chosen]) }
      }),
    )
    const plan = await admin.resetOffsets(groupId, { to, partitions, dryRun: true })
    if (plan.length === 0) throw await nothingToMove(admin, groupId)
    const moves = plan.filter(({ fromOffset, toOffset }) => fromOffset !== toOffset)
    if (output === 'table') process.stdout.write(renderResets(plan))
    refuseFailed(plan, 'nothing was moved')
    if (dryRun || moves.length === 0) {
      const sentence = moves.length === 0 ? `group ${groupId} is there already` : `${offsets(moves)} would move`
      printDone(sentence, { moved: false, groupId, resets: plan.map(resetAsJson) }, output)
      return
    }
    const warning = `This moves ${offsets(moves)} of group ${groupId}.`
    await confirm({ warning, name: groupId, refusal: 'nothing was moved' }, options.yes === true)
    const done = await admin.resetOffsets(groupId, { to, partitions: byTopic(moves) })
    refuseFailed(done, 'the others were moved')
    // The end may have moved on since it was shown.
    if (output === 'table' && differ(done, moves)) process.stdout.write(renderResets(done))
    const data = { moved: true, groupId, resets: done.map(resetAsJson) }
    printDone(`moved ${offsets(done)} of group ${groupId}`, data, output)
  })
}

function resetAsJson({ topic, partition, fromOffset, toOffset }: OffsetResetResult): Record<string, unknown> {
  return { topic, partition, fromOffset, toOffset }
}

function renderResets(resets: readonly OffsetResetResult[]): string {
  return renderTable(
    [
      { title: 'TOPIC' },
      { title: 'PARTITION', align: 'right' },
      { title: 'FROM', align: 'right' },
      { title: 'TO', align: 'right' },
      { title: 'CHANGE', align: 'right' },
    ],
    resets.map(({ topic, partition, fromOffset, toOffset, error }) => [
      topic,
      String(partition),
      String(fromOffset ?? '-'),
      error === null ? String(toOffset) : error.code,
      changeText(fromOffset, toOffset),
    ]),
  )
}

function changeText(from: number | null, to: number | null): string {
  if (to === null) return '-'
  if (from === null) return 'new'
  if (from === to) return 'stays'
  return `${to > from ? '+' : '-'}${formatCount(Math.abs(to - from))}`
}

function refuseFailed(resets: readonly OffsetResetResult[], consequence: string): void {
  const failed = resets.filter(({ error }) => error !== null)
  const [first] = failed
  if (first === undefined || first.error === null) return
  const { code, message, hint } = first.error
  const more = failed.length === 1 ? '' : `, and ${failed.length - 1} more`
  const text = `${first.topic}-${first.partition} cannot be moved there: ${message}${more}; ${consequence}`
  throw new StratalogError(code, text, { hint: `${hint} Choose the others with --topic.`, cause: first.error })
}

async function nothingToMove(admin: AdminClient, groupId: string): Promise<Error> {
  const { groups } = await admin.listGroups()
  if (!groups.some((group) => group.groupId === groupId)) return await noSuchGroup(admin, groupId)
  const text = `group ${groupId} has no committed offsets`
  return new CommandError('USAGE', text, 'name the topics that it shall have some of with --topic', 2)
}

function differ(done: readonly OffsetResetResult[], shown: readonly OffsetResetResult[]): boolean {
  const expected = new Map(shown.map((each) => [`${each.topic}-${each.partition}`, each.toOffset]))
  return done.some(({ topic, partition, toOffset }) => expected.get(`${topic}-${partition}`) !== toOffset)
}

function offsets(moves: readonly OffsetResetResult[]): string {
  return `${moves.length} offset${moves.length === 1 ? '' : 's'}`
}
