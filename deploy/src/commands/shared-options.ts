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

const BYTE_UNITS: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  k: 1024,
  m: 1024 ** 2,
  g: 1024 ** 3,
  t: 1024 ** 4,
  kib: 1024,
  mib: 1024 ** 2,
  gib: 1024 ** 3,
  tib: 1024 ** 4,
}

/** Parses a number of bytes of at least 1, such as `65536`, `64MiB`, `1.5g` or `10MB`. */
export function byteCountArgument(): (text: string) => number {
  return (text) => {
    const [, amount = '', unit = ''] = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text) ?? []
    const bytes = Math.round(Number(amount) * (BYTE_UNITS[unit.toLowerCase()] ?? Number.NaN))
    if (amount === '' || !Number.isSafeInteger(bytes) || bytes < 1) {
      throw new InvalidArgumentError('It must be a number of bytes, such as 65536, 64MiB or 1.5g.')
    }
    return bytes
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
