/**
 * The repository's own rules as a test: what docs/architecture.md says of layers and what CONTRIBUTING.md says of files.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { brokenLinks, foreignContent, headerless, impureCores, missingCores } from './content-rules.ts'
import { folderViolations, importCycles, packageViolations, readImports } from './import-rules.ts'
import { readLayers, readPackages } from './layers.ts'
import { longFiles, longFunctions } from './size-rules.ts'
import { readTree } from './source-tree.ts'
import { importSpecifiers, readSyntax } from './syntax.ts'

const layers = readLayers()
const packages = readPackages(layers)
const sources = readTree(['.ts', '.mjs']).filter(({ path }) => !path.endsWith('.d.ts'))
const imports = readImports(sources)

function none(problems: readonly string[]): void {
  assert.equal(problems.join('\n'), '')
}

test('packages import only those below them, through their public entries', () => {
  none(packageViolations(imports, layers, packages))
})

test('folders of the broker import only those below them', () => {
  none(folderViolations(imports, layers))
})

test('no file takes part in an import cycle', () => {
  none(importCycles(imports))
})

test('files are at most as long as allowed', () => {
  none(longFiles(sources, layers.sizes))
})

test('functions are at most as long as allowed, and the list of exceptions only shrinks', () => {
  none(longFunctions(sources, layers.sizes))
})

test('cores use no clock, randomness, timer, process or I/O', () => {
  none(missingCores(layers.cores))
  none(impureCores(sources, layers.cores))
})

test('every source file begins with what it is', () => {
  none(headerless(sources))
})

test('nothing of one machine and no unfinished note is in the repository', () => {
  none(foreignContent(readTree(['.ts', '.mjs', '.md', '.json', '.proto', '.yaml', '.toml', '.txt', 'run'])))
})

test('links between documents lead somewhere', () => {
  none(brokenLinks(readTree(['.md'])))
})

test('the rules themselves see what they should', () => {
  const text =
    "import type { A } from './a.ts'\nexport * from './b.ts'\nimport 'c'\nconst d = await import('d')\n// from 'e'\n"
  assert.deepEqual(importSpecifiers(text), ['./a.ts', './b.ts', 'c', 'd'])
  const { functions, names } = readSyntax({
    path: 'x.ts',
    text: 'class A {\n  now(): number {\n    return Date.now()\n  }\n}\nconst b = (process: number) => ({ process: 1 })\n',
  })
  assert.deepEqual(functions, [
    { name: 'now', line: 2, lineCount: 3 },
    { name: 'b', line: 6, lineCount: 1 },
  ])
  assert.ok(names.some(({ name }) => name === 'Date.now'))
  assert.ok(!names.some(({ name }) => name === 'process'))
  const circle = [
    { path: 'a', files: [], loads: ['b'], modules: [] },
    { path: 'b', files: [], loads: ['a'], modules: [] },
  ]
  assert.deepEqual(importCycles(circle), ['a -> b -> a'])
})
