/** `pnpm chaos`: runs the failure suite on real processes, prints what was found, and exits with 1 on a violation. */
import { randomInt } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { Command, InvalidArgumentError, Option } from 'commander'
import { runFailover } from './failover.ts'
import { groupFaults } from './groups/group-faults.ts'
import { renderGroupReport } from './groups/groups-report.ts'
import { runGroups } from './groups/run-groups.ts'
import { FAULTS } from './nemesis/faults.ts'
import { renderReport } from './report.ts'
import { type ChaosOptions, HEALTH_TIMEOUT_MS, runChaos } from './run-chaos.ts'

interface Flags {
  readonly minutes: number
  readonly seed?: number
  readonly faults?: string
  readonly brokers: number
  readonly rounds?: number
  readonly rate: number
  readonly lossy?: number
  readonly scenario: 'chaos' | 'failover' | 'power-loss' | 'groups'
  readonly members: number
  readonly partitions: number
  readonly records: number
  readonly sessionTimeout: number
  readonly input?: string
  readonly out: string
  readonly keep: boolean
}

const POWER_LOSS_ROUNDS = 50
const FAILOVER_ROUNDS = 30
const SESSION_TIMEOUT_MS = 6000
const SETTLE_BAR_MS = 5000
/** The feed of a group goes on for so long after the last fault. */
const CALM_MS = 20_000

const program = new Command('chaos')
  .description('Runs a cluster of broker processes through faults under load, and checks that it kept its promises.')
  .option('--minutes <n>', 'how long faults go on', positive, 2)
  .option('--seed <n>', 'of the plan of faults; drawn when not given', whole)
  .option(
    '--faults <list>',
    `comma-separated, out of: ${list(FAULTS)}; groups: ${list(groupFaults(SESSION_TIMEOUT_MS))}`,
  )
  .option('--brokers <n>', 'number of brokers', positive, 3)
  .option('--rounds <n>', 'end after that many faults', positive)
  .option('--rate <n>', 'values a second that are written', positive, 2000)
  .option('--lossy <chance>', 'chance that a broker loses at a power cut what is not synced, 0..1', fraction)
  .addOption(
    new Option(
      '--scenario <name>',
      'chaos: all faults; failover: gaps of leader deaths and of planned transfers; groups: a consumer group under faults',
    )
      .choices(['chaos', 'failover', 'power-loss', 'groups'])
      .default('chaos'),
  )
  .option('--members <n>', 'groups: members, each a process', positive, 8)
  .option('--partitions <n>', 'groups: partitions of the topic', positive, 64)
  .option('--records <n>', 'groups: records that are written meanwhile', positive, 1_000_000)
  .option('--session-timeout <ms>', 'groups: of the members', positive, SESSION_TIMEOUT_MS)
  .option('--input <dir>', 'groups: folder of .log files whose lines are the records; default: the flights of the demo')
  .option('--out <dir>', 'folder for data, logs and histories', join(import.meta.dirname, '../../out/chaos'))
  .option('--keep', 'keep the folder even when nothing was violated', false)

process.exitCode = await main()

async function main(): Promise<number> {
  const flags = program.parse().opts<Flags>()
  const folder = resolve(flags.out)
  if (flags.scenario === 'failover') {
    return runFailover({
      rounds: flags.rounds ?? FAILOVER_ROUNDS,
      brokerCount: flags.brokers,
      folder,
      tell: (line) => console.log(line),
    })
  }
  if (flags.scenario === 'groups') return await groups(flags, folder)
  const options = optionsOf(flags, folder)
  console.log(`seed ${options.seed}; to run it again: ${replay(flags, options.seed)}`)
  const report = await runChaos(options)
  console.log(renderReport(report))
  if (report.valid && !flags.keep) await rm(folder, { recursive: true, force: true })
  if (!report.valid) console.log(`to run it again: ${replay(flags, options.seed)}`)
  return report.valid ? 0 : 1
}

async function groups(flags: Flags, folder: string): Promise<number> {
  const seed = flags.seed ?? randomInt(2 ** 31)
  const { members, partitions, records, sessionTimeout, input } = flags
  const given = input === undefined ? '' : ` --input ${input}`
  const again = `${replay(flags, seed)} --members ${members} --partitions ${partitions} --records ${records} --session-timeout ${sessionTimeout}${given}`
  console.log(`seed ${seed}; to run it again: ${again}`)
  const durationMs = flags.minutes * 60_000
  const report = await runGroups({
    seed,
    brokerCount: flags.brokers,
    memberCount: members,
    partitionCount: partitions,
    recordCount: records,
    rate: (records * 1000) / (durationMs + CALM_MS),
    durationMs,
    faultCount: flags.rounds ?? Number.POSITIVE_INFINITY,
    faults: flags.faults?.split(',') ?? null,
    isFixedOrder: false,
    sessionTimeoutMs: sessionTimeout,
    settleBarMs: SETTLE_BAR_MS,
    input: input === undefined ? null : resolve(input),
    folder,
    tell: (line) => console.log(line),
  })
  console.log(renderGroupReport(report))
  if (report.valid && !flags.keep) await rm(folder, { recursive: true, force: true })
  return report.valid ? 0 : 1
}

function optionsOf(flags: Flags, folder: string): ChaosOptions {
  const isPowerLoss = flags.scenario === 'power-loss'
  return {
    seed: flags.seed ?? randomInt(2 ** 31),
    brokerCount: flags.brokers,
    faultCount: flags.rounds ?? (isPowerLoss ? POWER_LOSS_ROUNDS : Number.POSITIVE_INFINITY),
    durationMs: isPowerLoss ? Number.POSITIVE_INFINITY : flags.minutes * 60_000,
    faults: isPowerLoss ? ['power-loss'] : (flags.faults?.split(',') ?? null),
    isFixedOrder: false,
    lossyChance: flags.lossy ?? (isPowerLoss ? 1 : 0.3),
    rate: flags.rate,
    healthTimeoutMs: HEALTH_TIMEOUT_MS,
    folder,
    tell: (line) => console.log(line),
  }
}

function replay(flags: Flags, seed: number): string {
  const { faults, brokers, rounds, minutes, rate, scenario, lossy } = flags
  const given = { faults, rounds, lossy }
  const rest = Object.entries(given).flatMap(([name, value]) => (value === undefined ? [] : [`--${name} ${value}`]))
  return [
    `pnpm chaos --scenario ${scenario} --seed ${seed} --minutes ${minutes} --brokers ${brokers} --rate ${rate}`,
    ...rest,
  ].join(' ')
}

function list(kinds: object): string {
  return Object.keys(kinds).join(', ')
}

function whole(text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 0) throw new InvalidArgumentError('a whole number from 0 is needed')
  return value
}

function positive(text: string): number {
  const value = Number(text)
  if (!(value > 0)) throw new InvalidArgumentError('a number above 0 is needed')
  return value
}

function fraction(text: string): number {
  const value = Number(text)
  if (!(value >= 0 && value <= 1)) throw new InvalidArgumentError('a number from 0 to 1 is needed')
  return value
}
