/** From a scenario's flags to its figures: what all scenarios do around their own run. */
import { type OutputFlags, profileFlags, progress } from './flags.ts'
import { type Run, writeRun } from './run-file.ts'

/** What a run gets beside its settings. */
interface RunOptions {
  /** For the processes that it starts. */
  readonly nodeFlags: readonly string[]
  readonly outDirectory: string
  readonly onProgress: (line: string) => void
}

/** A scenario with its settings. */
export interface Measurement<Settings, Rounds> {
  readonly scenario: string
  readonly durabilityClass: Run['durabilityClass']
  readonly settings: Settings
  readonly run: (options: Settings & RunOptions) => Promise<Rounds>
  /** The table. */
  readonly render: (rounds: Rounds) => string
  /** What is kept in the file; default "Figures of every run". */
  readonly figures?: string
}

/** Runs the scenario, keeps its figures in a file of `flags.out`, and prints the table and where the file is. */
export async function measure<Settings extends object, Rounds>(
  flags: OutputFlags,
  measurement: Measurement<Settings, Rounds>,
): Promise<void> {
  const { scenario, durabilityClass, run, render, figures = 'Figures of every run' } = measurement
  const settings = { ...measurement.settings, nodeFlags: profileFlags(flags) }
  const rounds = await run({ ...settings, outDirectory: flags.out, onProgress: progress })
  const path = await writeRun(flags.out, { scenario, durabilityClass, settings, rounds })
  console.log(`${render(rounds)}\n${figures}: ${path}`)
}
