/** `pnpm bench compaction`. */
import { Command } from 'commander'
import { type OutputFlags, positive, type Settings, setting, withOutputFlags } from '../flags.ts'
import { measure } from '../measure.ts'
import { runCompaction } from './compaction.ts'
import { renderCompaction } from './compaction-table.ts'

interface CompactionFlags extends OutputFlags {
  readonly updates: number
  readonly keys: number
  readonly valueBytes: number
  readonly brokers: number
  readonly kills: number
  readonly set: Settings
  readonly config: Settings
}

/** Builds the command. */
export function compactionCommand(): Command {
  const command = new Command('compaction')
    .description('updates of few keys, compacted while they are written and read, through kill -9 and new leaders')
    .option('--updates <n>', 'records', positive, 1_000_000)
    .option('--keys <n>', 'keys', positive, 10_000)
    .option('--value-bytes <n>', 'bytes of a value', positive, 100)
    .option('--brokers <n>', 'brokers, and replicas', positive, 3)
    .option('--kills <n>', 'times that a broker is killed', positive, 6)
    .option('--set <name=value>', 'a setting of every broker; repeatable', setting, {})
    .option('--config <name=value>', 'a config of the topic; repeatable', setting, {})
  return withOutputFlags(command).action(async (flags: CompactionFlags) => {
    const settings = {
      updateCount: flags.updates,
      keyCount: flags.keys,
      valueBytes: flags.valueBytes,
      brokerCount: flags.brokers,
      killCount: flags.kills,
      brokerSettings: flags.set,
      topicConfigs: flags.config,
    }
    await measure(flags, {
      scenario: 'compaction',
      durabilityClass: 'D4',
      settings,
      run: runCompaction,
      render: renderCompaction,
      figures: 'Figures',
    })
  })
}
