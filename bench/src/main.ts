/** `pnpm bench`: runs a scenario, prints its table and leaves its JSON in the output folder. */
import { Command } from 'commander'
import { compactionCommand } from './compaction/compaction-command.ts'
import { groupsCommand } from './groups/groups-command.ts'
import { idleCommand } from './idle/idle-command.ts'
import { latencyCommand } from './latency/latency-command.ts'
import { replayCommand } from './replay/replay-command.ts'
import { replicatedCommand } from './replicated/replicated-command.ts'
import { restartCommand } from './restart/restart-command.ts'
import { spineCommand } from './spine-command.ts'

await new Command('bench')
  .description('Measures brokers on this machine, fsync on. What each figure means: bench/README.md.')
  .addCommand(spineCommand(), { isDefault: true })
  .addCommand(replicatedCommand())
  .addCommand(latencyCommand())
  .addCommand(idleCommand())
  .addCommand(groupsCommand())
  .addCommand(restartCommand())
  .addCommand(compactionCommand())
  .addCommand(replayCommand())
  .parseAsync()
