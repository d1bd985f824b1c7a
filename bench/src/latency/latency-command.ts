/** `pnpm bench latency`. */
import { Command, InvalidArgumentError } from 'commander'
import { type OutputFlags, positive, positives, type Settings, setting, withOutputFlags } from '../flags.ts'
import { STAMPED_VALUE_BYTES_MIN } from '../load/payload.ts'
import { measure } from '../measure.ts'
import { runLatency } from './latency.ts'
import { renderLatency } from './latency-table.ts'

const MEBIBYTE = 1024 * 1024
/** The load at which latency is told: a tenth of the highest rate. */
const FRACTION = 0.1

interface LatencyFlags extends OutputFlags {
  readonly rounds: number
  readonly sizes: number[]
  readonly partitions: number
  readonly brokers: number
  readonly rate?: number
  readonly seconds: number
  readonly warmUp: number
  readonly mib: number
  readonly set: Settings
}

/** Builds the command. */
export function latencyCommand(): Command {
  const command = new Command('latency')
    .description('three replicas, acks=all, fsync, open loop at a tenth of the highest rate: p50, p99, p99.9')
    .option('--rounds <n>', 'how often each size is run; the table shows medians', positive, 3)
    .option('--sizes <list>', `record sizes in bytes, from ${STAMPED_VALUE_BYTES_MIN}`, stampedSizes, [100, 1024])
    .option('--partitions <n>', 'partitions of the topic', positive, 1)
    .option('--brokers <n>', 'brokers, and replicas', positive, 3)
    .option('--rate <n>', 'records a second, instead of a tenth of the highest', positive)
    .option('--seconds <n>', 'how long is measured', positive, 30)
    .option('--warm-up <n>', 'seconds before that', positive, 10)
    .option('--mib <n>', 'MiB that the measurement of the highest rate writes', positive, 512)
    .option('--set <name=value>', 'a setting of every broker; repeatable', setting, {})
  return withOutputFlags(command).action(async (flags: LatencyFlags) => {
    const settings = {
      rounds: flags.rounds,
      valueSizes: flags.sizes,
      partitionCount: flags.partitions,
      brokerCount: flags.brokers,
      brokerSettings: flags.set,
      ratePerSecond: flags.rate ?? null,
      fraction: FRACTION,
      maxRateBytes: flags.mib * MEBIBYTE,
      warmUpSeconds: flags.warmUp,
      measuredSeconds: flags.seconds,
    }
    await measure(flags, {
      scenario: 'latency',
      durabilityClass: 'D4',
      settings,
      run: runLatency,
      render: renderLatency,
    })
  })
}

/** Sizes of values with room for the moment at which they are due. */
function stampedSizes(text: string): number[] {
  const sizes = positives(text)
  if (Math.min(...sizes) >= STAMPED_VALUE_BYTES_MIN) return sizes
  throw new InvalidArgumentError(`sizes from ${STAMPED_VALUE_BYTES_MIN} are needed`)
}
