/** Flags that scenarios share, and how their values are read. */
import { join, resolve } from 'node:path'
import { type Command, InvalidArgumentError } from 'commander'

/** Of every scenario. */
export interface OutputFlags {
  readonly out: string
  readonly profile: boolean
}

/** Adds the flags of every scenario. */
export function withOutputFlags(command: Command): Command {
  return command
    .option(
      '--out <dir>',
      'folder for data and results, on the disk to be measured',
      (dir: string) => resolve(dir),
      join(import.meta.dirname, '../out'),
    )
    .option('--profile', 'leave CPU profiles of every process in OUT/profiles', false)
}

/** Node flags that make a process leave its CPU profile, or none. */
export function profileFlags({ out, profile }: OutputFlags): string[] {
  return profile ? ['--cpu-prof', `--cpu-prof-dir=${join(out, 'profiles')}`] : []
}

/** A whole number from 1. */
export function positive(text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('a whole number from 1 is needed')
  return value
}

/** Whole numbers from 1, comma-separated. */
export function positives(text: string): number[] {
  return text.split(',').map(positive)
}

/** Where scenarios tell how far they are: standard error, so that the table can be piped. */
export function progress(line: string): void {
  console.error(line)
}

/** Settings of docs/config.md by name. */
export type Settings = Readonly<Record<string, string>>

/** Collects `--set name=value`. */
export function setting(text: string, previous: Settings): Settings {
  const at = text.indexOf('=')
  if (at < 1) throw new InvalidArgumentError('name=value is needed')
  return { ...previous, [text.slice(0, at)]: text.slice(at + 1) }
}
