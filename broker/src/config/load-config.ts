/**
 * The configuration of a broker from its sources: flags, over the environment, over a TOML file, over the defaults.
 *
 * Nothing is guessed: a name that is not in the table and a value that its row does not allow are errors, all
 * reported at once, each naming where it was given.
 */
import { readFileSync } from 'node:fs'
import { nearestName } from '@stratalog/proto'
import { parse as parseToml, TomlError } from 'smol-toml'
import { ConfigError, type ConfigProblem } from './config-error.ts'
import type { Setting } from './setting.ts'
import { allSettings } from './setting-table.ts'
import type { Settings } from './settings.ts'
import { TOPIC_DEFAULTS_PREFIX, type TopicCreationDefaults } from './topic-defaults.ts'

/** Where configuration comes from. */
export interface ConfigInputs {
  /** Path of a TOML file. */
  readonly file?: string | undefined
  /** Such as `process.env`; variables that do not begin with `STRATALOG_` are ignored. */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** Values by setting name, as text or typed; `undefined` counts as not given. */
  readonly flags?: Readonly<Record<string, string | number | boolean | undefined>>
}

/** Every setting's value and where it came from. */
export interface BrokerConfig {
  readonly settings: Settings & TopicCreationDefaults
  /** Defaults of topic configs that were set, by the config's name (`retention.ms`), as text. */
  readonly topicDefaults: ReadonlyMap<string, string>
  /** One row per setting, sorted by name. */
  readonly effective: readonly EffectiveSetting[]
}

/** What a setting is and why. */
export interface EffectiveSetting {
  readonly name: string
  readonly value: string | number | boolean
  /** `default`, `file PATH`, `environment variable NAME` or `flag`. */
  readonly source: string
}

interface GivenValue {
  readonly name: string
  readonly givenAs: string
  readonly value: unknown
  readonly source: string
}

const ENV_PREFIX = 'STRATALOG_'
/** Variables with our prefix that are not the broker's. */
const OTHER_VARIABLES: readonly string[] = ['STRATALOG_BOOTSTRAP', 'STRATALOG_CONFIG', 'STRATALOG_FROM_SOURCE']

/** Name of the environment variable of a setting. */
export function environmentName(setting: string): string {
  return ENV_PREFIX + setting.toUpperCase().replaceAll('.', '__')
}

/** Reads all sources. Errors: ConfigError (`CONFIG_INVALID`) with everything that is wrong. */
export function loadConfig(inputs: ConfigInputs = {}): BrokerConfig {
  const table = allSettings()
  const problems: ConfigProblem[] = []
  const values = new Map<string, { value: unknown; source: string }>()
  const given = [
    ...(inputs.file === undefined ? [] : fromFile(inputs.file)),
    ...fromEnvironment(inputs.env ?? {}, table),
    ...fromFlags(inputs.flags ?? {}),
  ]
  for (const entry of given) {
    const setting = table.get(entry.name)
    if (setting === undefined) {
      problems.push(unknownSetting(entry, table))
      continue
    }
    const parsed = setting.schema.safeParse(entry.value)
    if (parsed.success) values.set(entry.name, { value: parsed.data, source: entry.source })
    else problems.push(badValue(entry, setting))
  }
  if (problems.length > 0) throw new ConfigError(problems)
  return assemble(table, values)
}

/** The table and the values as lines of `name = value   # source`, for people. */
export function renderEffectiveConfig(config: BrokerConfig): string {
  return config.effective
    .map(
      (row) =>
        `${row.name} = ${typeof row.value === 'string' ? JSON.stringify(row.value) : row.value}  # ${row.source}`,
    )
    .join('\n')
}

function assemble(
  table: ReadonlyMap<string, Setting<unknown>>,
  values: ReadonlyMap<string, { value: unknown; source: string }>,
): BrokerConfig {
  const settings: Record<string, unknown> = {}
  const topicDefaults = new Map<string, string>()
  const effective: EffectiveSetting[] = []
  for (const [name, setting] of [...table].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const given = values.get(name)
    const value = (given === undefined ? setting.default : given.value) as string | number | boolean
    effective.push({ name, value, source: given?.source ?? 'default' })
    const isTopicConfig = name.startsWith(TOPIC_DEFAULTS_PREFIX) && typeof value === 'string'
    if (!isTopicConfig) settings[name] = value
    else if (given !== undefined) topicDefaults.set(name.slice(TOPIC_DEFAULTS_PREFIX.length), value)
  }
  return { settings: settings as unknown as BrokerConfig['settings'], topicDefaults, effective }
}

function fromFlags(flags: Readonly<Record<string, unknown>>): GivenValue[] {
  return Object.entries(flags)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => ({ name, givenAs: name, value, source: 'flag' }))
}

function fromEnvironment(
  env: Readonly<Record<string, string | undefined>>,
  table: ReadonlyMap<string, Setting<unknown>>,
): GivenValue[] {
  const byVariable = new Map([...table.keys()].map((name) => [environmentName(name), name]))
  const given: GivenValue[] = []
  for (const [variable, value] of Object.entries(env)) {
    if (!variable.startsWith(ENV_PREFIX) || value === undefined || OTHER_VARIABLES.includes(variable)) continue
    given.push({
      name: byVariable.get(variable) ?? variable.slice(ENV_PREFIX.length).toLowerCase().replaceAll('__', '.'),
      givenAs: variable,
      value,
      source: `environment variable ${variable}`,
    })
  }
  return given
}

function fromFile(path: string): GivenValue[] {
  const source = `file ${path}`
  let document: Record<string, unknown>
  try {
    document = parseToml(readFileSync(path, 'utf8'))
  } catch (error) {
    const what = error instanceof TomlError ? 'is not valid TOML' : 'cannot be read'
    throw new ConfigError([
      {
        name: path,
        source,
        message: `configuration ${source} ${what}: ${error instanceof Error ? error.message : error}`,
      },
    ])
  }
  const given: GivenValue[] = []
  flatten(document, '', (name, value) => given.push({ name, givenAs: name, value, source }))
  return given
}

/** Tables become dotted names, so that `[log] level = "info"` and `log.level = "info"` are the same. */
function flatten(table: object, prefix: string, visit: (name: string, value: unknown) => void): void {
  for (const [key, value] of Object.entries(table)) {
    const isTable = typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date)
    if (isTable) flatten(value, `${prefix}${key}.`, visit)
    else visit(prefix + key, value)
  }
}

function unknownSetting(entry: GivenValue, table: ReadonlyMap<string, unknown>): ConfigProblem {
  const nearest = nearestName(entry.name, [...table.keys()])
  const asGiven = (name: string) => (entry.givenAs === entry.name ? name : environmentName(name))
  const suggestion = nearest === null ? '' : `; did you mean ${asGiven(nearest)}?`
  return {
    name: entry.givenAs,
    source: entry.source,
    message: `unknown setting ${entry.givenAs} (from ${entry.source})${suggestion}`,
  }
}

function badValue(entry: GivenValue, setting: Setting<unknown>): ConfigProblem {
  return {
    name: entry.givenAs,
    source: entry.source,
    message: `${entry.name} = ${JSON.stringify(entry.value)} (from ${entry.source}) is not allowed: it must be ${setting.allowed}`,
  }
}
