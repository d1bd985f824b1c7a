/** `pnpm chaos`: runs the failure suite on real processes, prints what was found, and exits with 1 on a violation. */
import { randomInt } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { Command, InvalidArgumentError, Option } from 'commander'
import { runFailover } from './failover.ts'
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
  readonly scenario: 'chaos' | 'failover' | 'power-loss'
  readonly out: string
  readonly keep: boolean
}

const POWER_LOSS_ROUNDS = 50
const FAILOVER_ROUNDS = 30

const program = new Command('chaos')
  .description('Runs a cluster of broker processes through faults under load, and checks that it kept its promises.')
  .option('--minutes <n>', 'how long faults go on', positive, 2)
  .option('--seed <n>', 'of the plan of faults; drawn when not given', whole)
  .option('--faults <list>', `comma-separated, out of: ${Object.keys(FAULTS).join(', ')}`)
  .option('--brokers <n>', 'number of brokers', positive, 3)
  .option('--rounds <n>', 'end after that many faults', positive)
  .option('--rate <n>', 'values a second that are written', positive, 2000)
  .option('--lossy <chance>', 'chance that a broker loses at a power cut what is not synced, 0..1', fraction)
  .addOption(
    new Option('--scenario <name>', 'chaos: all faults; failover: gaps of leader deaths and of planned transfers')
      .choices(['chaos', 'failover', 'power-loss'])
      .default('chaos'),
  )
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
  const options = optionsOf(flags, folder)
  console.log(`seed ${options.seed}; to run it again: ${replay(flags, options.seed)}`)
  const report = await runChaos(options)
  console.log(renderReport(report))
  if (report.valid && !flags.keep) await rm(folder, { recursive: true, force: true })
  if (!report.valid) console.log(`to run it again: ${replay(flags, options.seed)}`)
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
