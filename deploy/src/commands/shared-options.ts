/**
 * Options that several commands share, with one spelling, one parser and one help text each.
 */
import { type Command, InvalidArgumentError, Option } from 'commander'
import type { OutputFormat } from '../output/failure.ts'

/** What every command that talks to a cluster takes. */
export interface ClusterOptions {
  /** `undefined` = STRATALOG_BOOTSTRAP or the client's default. */
  readonly bootstrap?: string
  /** Deadline of a call, ms. */
  readonly timeout?: number
  readonly output: OutputFormat
}

/** Adds `--bootstrap`, `--timeout` and `--output`. */
export function withClusterOptions(command: Command): Command {
  return withOutputOption(
    command
      .option(
        '--bootstrap <addresses>',
        'brokers to ask, HOST:PORT[,...] (or STRATALOG_BOOTSTRAP; default 127.0.0.1:9400)',
      )
      .option('--timeout <ms>', 'longest that a call may take', integerArgument(1, 3_600_000)),
  )
}

/** Adds `--output`. */
export function withOutputOption(command: Command): Command {
  const option = new Option('--output <format>', 'how results and errors are written').choices([
    'table',
    'json',
    'jsonl',
  ])
  return command.addOption(option.default('table'))
}

/** Parses an integer from `min` to `max`, both included. */
export function integerArgument(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (!/^-?\d+$/.test(text) || !Number.isSafeInteger(value) || value < min || value > max) {
      throw new InvalidArgumentError(`It must be an integer from ${min} to ${max}.`)
    }
    return value
  }
}

/** Collects repeated integers. */
export function integerListArgument(min: number, max: number): (text: string, previous?: number[]) => number[] {
  const parse = integerArgument(min, max)
  return (text, previous = []) => [...previous, parse(text)]
}

/** Collects repeated `key=value`, later ones winning; the value may hold `=` and may be empty. */
export function pairArgument(text: string, previous: Record<string, string> = {}): Record<string, string> {
  const at = text.indexOf('=')
  if (at < 1) throw new InvalidArgumentError('It must be key=value.')
  return { ...previous, [text.slice(0, at)]: text.slice(at + 1) }
}

/** Collects repeated texts. */
export function listArgument(text: string, previous: string[] = []): string[] {
  return [...previous, text]
}
