/**
 * The command's own tree: every subcommand declares its options in `commands/` and loads what it needs when it runs, so
 * that `--help` does not wait for the libraries.
 */
import { readFileSync } from 'node:fs'
import { Command } from 'commander'
import { brokerCommand } from './commands/broker.ts'
import { clusterCommand } from './commands/cluster.ts'
import { consumeCommand } from './commands/consume.ts'
import { demoCommand } from './commands/demo.ts'
import { devCommand } from './commands/dev.ts'
import { groupCommand } from './commands/group.ts'
import { partitionCommand } from './commands/partition.ts'
import { produceCommand } from './commands/produce.ts'
import { replayCommand } from './commands/replay.ts'
import { segmentCommand } from './commands/segment.ts'
import { topicCommand } from './commands/topic.ts'
import { EXIT_STATUS_TEXT } from './exit-status.ts'

/** The whole program; `parseAsync` runs it and throws what goes wrong. */
export function createProgram(): Command {
  const program = new Command('stratalog')
    .description('Runs Stratalog brokers, manages their topics, and moves records in and out.')
    .version(packageVersion(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'show help')
    .helpCommand('help [command]', 'show help for a command')
    .showSuggestionAfterError()
    // What follows the name of a subcommand belongs to it: `broker list --output json` has no option of `broker`.
    .enablePositionalOptions()
    .configureOutput({ writeErr: () => {} })
    .exitOverride()
    .addHelpText('after', exitStatusHelp())
  for (const command of [
    brokerCommand(),
    devCommand(),
    demoCommand(),
    topicCommand(),
    produceCommand(),
    consumeCommand(),
    replayCommand(),
    groupCommand(),
    clusterCommand(),
    partitionCommand(),
    segmentCommand(),
  ]) {
    adopt(command, program)
    program.addCommand(command)
  }
  return program
}

/** Error handling is not inherited by commands that are added ready-made. */
function adopt(command: Command, parent: Command): void {
  command.copyInheritedSettings(parent)
  command.helpCommand(false)
  for (const child of command.commands) adopt(child, parent)
}

function exitStatusHelp(): string {
  const rows = EXIT_STATUS_TEXT.map(([status, text]) => `  ${String(status).padStart(3)}  ${text}`)
  return `\nExit status:\n${rows.join('\n')}\n`
}

function packageVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
  return String((manifest as { version: unknown }).version)
}
