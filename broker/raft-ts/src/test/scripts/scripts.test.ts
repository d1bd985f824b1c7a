/** Runs the scripts beside it. `UPDATE=1` rewrites what they expect; review the difference. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { parseScript } from '../conformance/datadriven.ts'
import { ScriptRunner } from './script-runner.ts'

const FOLDER = fileURLToPath(new URL('.', import.meta.url))

for (const file of readdirSync(FOLDER).filter((name) => name.endsWith('.txt'))) {
  test(`script ${file}`, () => {
    const text = readFileSync(FOLDER + file, 'utf8')
    const runner = new ScriptRunner()
    const results = parseScript(text).map((directive) => ({ directive, actual: runner.run(directive) }))
    if (process.env['UPDATE'] === '1') {
      const lines = text.split('\n')
      for (const { directive, actual } of results.reverse()) {
        const from = lines.indexOf('----', directive.line - 1) + 1
        const count = directive.expected === '' ? 0 : directive.expected.split('\n').length
        lines.splice(from, count, ...actual.split('\n'))
      }
      writeFileSync(FOLDER + file, lines.join('\n'))
      return
    }
    for (const { directive, actual } of results) {
      assert.equal(actual, directive.expected, `${file}:${directive.line} ${directive.command}`)
    }
  })
}
