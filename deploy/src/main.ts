/**
 * Entry of the `stratalog` command: parses, runs, and turns whatever is thrown into text and an exit status.
 */
import { CommanderError } from 'commander'
import { usageError } from './command-error.ts'
import { endWithOutput } from './output/closed-output.ts'
import { createProgram } from './program.ts'

endWithOutput()

const program = createProgram()
try {
  await program.parseAsync()
} catch (thrown) {
  if (thrown instanceof CommanderError && thrown.exitCode === 0) process.exitCode = 0
  else await report(thrown instanceof CommanderError ? fromCommander(thrown) : thrown)
}

async function report(thrown: unknown): Promise<void> {
  const { describeFailure, renderFailure } = await import('./output/failure.ts')
  const failure = describeFailure(thrown)
  process.stderr.write(renderFailure(failure, wantsJson() ? 'json' : 'table'))
  process.exitCode = failure.exitStatus
}

/** Commander reports wrong usage with exit code 1 and texts of several lines. */
function fromCommander(error: CommanderError): Error {
  const help = 'run the command with --help for its options'
  if (error.code === 'commander.help') return usageError('no command given', help)
  return usageError(error.message.replace(/^error: /, '').replaceAll('\n', ' '), help)
}

/** Read from the arguments themselves, because a failure may come before they are understood. */
function wantsJson(): boolean {
  const args = process.argv.slice(2)
  return args.some(
    (arg, index) => /^--output=jsonl?$/.test(arg) || (/^jsonl?$/.test(arg) && args[index - 1] === '--output'),
  )
}
