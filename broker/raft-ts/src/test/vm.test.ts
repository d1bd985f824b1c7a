/**
 * The core runs in an empty context: no Node module, timer, clock, chance or promise is within its reach.
 *
 * Its files are bundled by hand (types stripped, imports inlined as functions) and evaluated where nothing but the
 * language exists, with Date, Math.random and Promise taken away. There a group of three elects, commits and reads.
 */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import vm from 'node:vm'

const SOURCE = fileURLToPath(new URL('..', import.meta.url))

function sources(): string[] {
  const core = readdirSync(`${SOURCE}core`).filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))
  return [...core.map((file) => `core/${file}`), 'memory-storage.ts', 'raw-node.ts']
}

test('the core imports nothing but itself', () => {
  for (const file of sources()) {
    const text = readFileSync(SOURCE + file, 'utf8').replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '')
    for (const [, target] of text.matchAll(/from '([^']+)'/g))
      assert.match(target!, /^\.\//, `${file} imports ${target}`)
    assert.doesNotMatch(
      text,
      /\b(Date|setTimeout|setInterval|queueMicrotask|process|Promise|async|await)\b[.(\s]/,
      file,
    )
    assert.doesNotMatch(text, /Math\.random/, file)
  }
})

/** Turns a module's text into the body of a function that fills `exports`. */
function asFunction(file: string): string {
  const js = stripTypeScriptTypes(readFileSync(SOURCE + file, 'utf8'))
  const names: string[] = []
  const body = js
    .replace(/import\s*\{([^}]*)\}\s*from '([^']+)'/g, (_all, list: string, target: string) => {
      const key = resolve(file, target)
      return `const {${list.replace(/\btype\s+\w+\s*,?/g, '')}} = load('${key}')`
    })
    .replace(/^export (const|function|class) (\w+)/gm, (_all, kind: string, name: string) => {
      names.push(name)
      return `${kind} ${name}`
    })
  return `${body}\n;${names.map((name) => `exports.${name} = ${name}`).join(';')}`
}

function resolve(from: string, target: string): string {
  const folder = from.includes('/') ? from.slice(0, from.lastIndexOf('/') + 1) : ''
  return (folder + target.slice(2)).replace(/^core\/core\//, 'core/')
}

const SCENARIO = `
  const { RawNode } = load('raw-node.ts')
  const { MemoryStorage } = load('memory-storage.ts')
  const { confStateOf } = load('core/conf-change.ts')
  const nodes = [1, 2, 3].map((id) => {
    const storage = new MemoryStorage({ confState: confStateOf([1, 2, 3]) })
    return { storage, node: new RawNode({ id, storage, electionTicks: 10, heartbeatTicks: 1, random: () => id / 4 }), reads: [] }
  })
  const settle = () => {
    for (let moved = true; moved; ) {
      moved = false
      for (const { node, storage, reads } of nodes) {
        while (node.hasReady()) {
          moved = true
          const ready = node.ready()
          if (ready.persist !== null) { storage.write(ready.persist); node.persisted(ready.persist) }
          if (ready.committed !== null) node.applied(ready.committed.to)
          for (const read of ready.readStates) reads.push(read.position)
          for (const message of ready.messages) nodes[message.to - 1].node.step(message)
        }
      }
    }
  }
  for (let i = 0; i < 30; i++) { for (const { node } of nodes) node.tick(); settle() }
  const leader = nodes.find(({ node }) => node.isLeader)
  leader.node.propose({ length: 3, bytes: 1, data: 'x' })
  settle()
  leader.node.readIndex('r')
  settle()
  JSON.stringify([nodes.map(({ node }) => node.commit), leader.reads])
`

test('the core runs in an empty vm context', () => {
  const context = vm.createContext(Object.create(null), { codeGeneration: { strings: false, wasm: false } })
  const modules = sources().map((file) => `'${file}': (exports) => {${asFunction(file)}}`)
  const prelude = `'use strict'; delete globalThis.Date; delete globalThis.Promise; delete Math.random;
    const modules = {${modules.join(',\n')}}; const loaded = {};
    const load = (key) => { if (!(key in loaded)) { loaded[key] = {}; modules[key](loaded[key]) } return loaded[key] };`
  const result = vm.runInContext(prelude + SCENARIO, context)
  assert.deepEqual(JSON.parse(result), [[4, 4, 4], [4]])
})
