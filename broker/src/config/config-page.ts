/** Renders docs/config.md from the table of settings; a test holds the committed page to it. */
import { environmentName } from './load-config.ts'
import { allSettings } from './setting-table.ts'

const INTRODUCTION = `# Configuration of a broker

Generated from the table of settings in \`broker/src/config\`; \`UPDATE=1\` with that folder's tests rewrites it.

A value is taken from the first of these that names it:

1. a flag of \`stratalog broker\` (\`--data\`, \`--listen\`, ..., or \`--set NAME=VALUE\` for any setting),
2. the environment variable of the setting: \`STRATALOG_\` and its name in capitals, \`__\` for each dot,
3. the TOML file of \`--config\`, where \`[log] level = "debug"\` and \`log.level = "debug"\` are the same,
4. the default below.

A name that is not in this table and a value outside of its range are errors that keep the broker from starting; each
names the setting, the value, what is allowed and where it was given. Sizes are bytes, times are milliseconds, both as
whole numbers.

The environment variable \`UV_THREADPOOL_SIZE\` belongs to Node, not to this table: writes, flushes and the metadata
store share that pool, so it must be 16 or more (and above \`flush.concurrency.max\`) before the process does its first
file operation. The \`stratalog\` command sets it when it is unset; whoever embeds \`@stratalog/broker\` sets it when
starting Node.
`

/** The page, ending in a line break. */
export function renderConfigPage(): string {
  const sections = [...allSettings()]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, setting]) =>
      [
        `## ${name}`,
        '',
        setting.doc,
        '',
        `- Allowed: ${setting.allowed}`,
        `- Default: ${setting.default === '' ? 'empty' : `\`${String(setting.default)}\``}`,
        `- Environment: \`${environmentName(name)}\``,
        '',
      ].join('\n'),
    )
  return [INTRODUCTION, ...sections].join('\n')
}
