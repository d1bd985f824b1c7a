import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { ConfigError } from './config-error.ts'
import { renderConfigPage } from './config-page.ts'
import { type ConfigInputs, environmentName, loadConfig, renderEffectiveConfig } from './load-config.ts'
import { allSettings } from './setting-table.ts'

function withFile(text: string, use: (path: string) => void): void {
  const folder = mkdtempSync(join(tmpdir(), 'stratalog-config-'))
  try {
    const path = join(folder, 'broker.toml')
    writeFileSync(path, text)
    use(path)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function problemsOf(inputs: ConfigInputs): readonly string[] {
  try {
    loadConfig(inputs)
  } catch (error) {
    assert.ok(error instanceof ConfigError)
    assert.equal(error.code, 'CONFIG_INVALID')
    return error.problems.map((problem) => problem.message)
  }
  return []
}

test('flags win over the environment, that over the file, that over the defaults', () => {
  withFile('[broker]\nid = 3\nrack = "a"\n[log]\nlevel = "debug"\n', (file) => {
    const config = loadConfig({
      file,
      env: { STRATALOG_BROKER__ID: '5', STRATALOG_LOG__LEVEL: 'warn', PATH: '/bin', STRATALOG_BOOTSTRAP: 'x:1' },
      flags: { 'broker.id': 7, listen: undefined },
    })
    assert.equal(config.settings['broker.id'], 7)
    assert.equal(config.settings['log.level'], 'warn')
    assert.equal(config.settings['broker.rack'], 'a')
    assert.equal(config.settings['open.files.max'], 512)
    const sources = new Map(config.effective.map((row) => [row.name, row.source]))
    assert.equal(sources.get('broker.id'), 'flag')
    assert.equal(sources.get('log.level'), 'environment variable STRATALOG_LOG__LEVEL')
    assert.equal(sources.get('broker.rack'), `file ${file}`)
    assert.equal(sources.get('open.files.max'), 'default')
    assert.match(renderEffectiveConfig(config), /^log\.level = "warn" {2}# environment variable STRATALOG_LOG__LEVEL$/m)
  })
})

test('defaults of topics are those that were set, as text', () => {
  withFile('[topic.defaults]\nretention.ms = 60000\npartition.count = 6\n', (file) => {
    const config = loadConfig({ file, env: { STRATALOG_TOPIC__DEFAULTS__FLUSH__POLICY: 'replicated' } })
    assert.deepEqual([...config.topicDefaults].sort(), [
      ['flush.policy', 'replicated'],
      ['retention.ms', '60000'],
    ])
    assert.equal(config.settings['topic.defaults.partition.count'], 6)
  })
})

test('an unknown name is an error that names it, its source and what was probably meant', () => {
  assert.deepEqual(problemsOf({ env: { STRATALOG_BROKER__IDD: '1' } }), [
    'unknown setting STRATALOG_BROKER__IDD (from environment variable STRATALOG_BROKER__IDD); did you mean STRATALOG_BROKER__ID?',
  ])
  assert.deepEqual(problemsOf({ flags: { 'log.levle': 'info' } }), [
    'unknown setting log.levle (from flag); did you mean log.level?',
  ])
  withFile('colour = "green"\n', (file) => {
    assert.deepEqual(problemsOf({ file }), [`unknown setting colour (from file ${file})`])
  })
})

test('a bad value is an error that names key, value, source and what is allowed; all problems come at once', () => {
  const problems = problemsOf({
    env: { STRATALOG_BROKER__ID: 'one', STRATALOG_LISTEN: 'nowhere' },
    flags: {
      'log.level': 'loud',
      'open.files.max': 1,
      'reflection.enabled': 'yes',
      'topic.defaults.retention.ms': '-2',
    },
  })
  assert.equal(problems.length, 6)
  assert.ok(
    problems.includes(
      'broker.id = "one" (from environment variable STRATALOG_BROKER__ID) is not allowed: it must be 0 to 65535',
    ),
  )
  assert.ok(problems.some((text) => text.startsWith('listen = "nowhere"') && text.includes('HOST:PORT')))
  assert.ok(problems.some((text) => text.startsWith('log.level = "loud"') && text.includes('one of trace, debug')))
  assert.ok(problems.some((text) => text.startsWith('open.files.max = 1') && text.includes('16 to 1000000')))
  assert.ok(problems.some((text) => text.startsWith('reflection.enabled = "yes"') && text.includes('true or false')))
  assert.ok(problems.some((text) => text.startsWith('topic.defaults.retention.ms = "-2"')))
})

test('a file that is missing or is not TOML is an error that names it', () => {
  assert.match(problemsOf({ file: '/nowhere/broker.toml' })[0] ?? '', /file \/nowhere\/broker\.toml cannot be read/)
  withFile('= 1', (file) => assert.match(problemsOf({ file })[0] ?? '', /is not valid TOML/))
})

test('every setting has a default that its own row allows, and a variable of its own', () => {
  const variables = new Set<string>()
  for (const [name, setting] of allSettings()) {
    assert.ok(setting.schema.safeParse(setting.default).success, name)
    variables.add(environmentName(name))
  }
  assert.equal(variables.size, allSettings().size)
})

test('docs/config.md is current', () => {
  const path = new URL('../../../docs/config.md', import.meta.url)
  const page = renderConfigPage()
  if (process.env['UPDATE'] === '1') writeFileSync(path, page)
  assert.equal(readFileSync(path, 'utf8'), page, 'run this test with UPDATE=1')
})
