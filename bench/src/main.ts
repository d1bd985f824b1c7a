/** `pnpm bench`: runs a scenario, prints its table and leaves its JSON in the output folder. */
import { writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { Command, InvalidArgumentError } from 'commander'
import { renderSpine, toJson } from './report.ts'
import { runSpine } from './spine.ts'

const MEBIBYTE = 1024 * 1024

const program = new Command('bench')
  .description('Produce and consume at several record sizes, fsync on, beside a bare file writer on the same disk.')
  .option('--mib <n>', 'MiB of values that each run writes', positive, 1024)
  .option('--rounds <n>', 'how often each size is run; the table shows medians', positive, 3)
  .option('--partitions <n>', 'partitions of the topic', positive, 1)
  .option('--sizes <list>', 'record sizes in bytes, comma-separated', '100,1024,10240')
  .option('--out <dir>', 'folder for data and results, on the disk to be measured', join(import.meta.dirname, '../out'))
  .option('--profile', 'leave CPU profiles of every process in OUT/profiles', false)

await main()

async function main(): Promise<void> {
  const flags = program.parse().opts<{
    mib: number
    rounds: number
    partitions: number
    sizes: string
    out: string
    profile: boolean
  }>()
  const settings = {
    bytesPerRun: flags.mib * MEBIBYTE,
    rounds: flags.rounds,
    partitionCount: flags.partitions,
    valueSizes: flags.sizes.split(',').map(positive),
    profile: flags.profile,
  }
  const outDirectory = resolve(flags.out)
  const rounds = await runSpine({ ...settings, outDirectory, onProgress: (line) => console.error(line) })
  const path = join(outDirectory, `spine-${new Date().toISOString().replaceAll(':', '')}.json`)
  await writeFile(path, toJson(rounds, settings))
  console.log(renderSpine(rounds))
  console.log(`Figures of every run: ${path}`)
}

function positive(text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('a whole number from 1 is needed')
  return value
}
