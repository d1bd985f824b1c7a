/**
 * What the tidy rules need to know of a TypeScript file, from its syntax tree: types are blanked out by Node, which keeps
 * every line where it was, and acorn parses the rest. Import specifiers are read before that, so that type-only imports
 * count too.
 */
import { stripTypeScriptTypes } from 'node:module'
import { type AnyNode, parse } from 'acorn'
import type { SourceFile } from './source-tree.ts'

/** A function with a body, and how many lines it spans. */
export interface FunctionSpan {
  /** Its own name, or that of what it is assigned to; `anonymous` without either. */
  readonly name: string
  readonly line: number
  readonly lineCount: number
}

/** A name or `object.property` that is read. */
export interface NameUse {
  readonly name: string
  readonly line: number
}

/** The facts of one file. */
export interface FileSyntax {
  /** Modules that are loaded with the file: neither type-only nor dynamic imports. */
  readonly loads: readonly string[]
  readonly functions: readonly FunctionSpan[]
  readonly names: readonly NameUse[]
}

/** Everything a file imports or re-exports, types included, as written. */
export function importSpecifiers(text: string): string[] {
  const code = text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '')
  const statement = /^\s*(?:import|export)\b[^'"`;]*?\bfrom\s+'([^']+)'|^\s*import\s+'([^']+)'|\bimport\(\s*'([^']+)'/gm
  return [...code.matchAll(statement)].map((match) => match[1] ?? match[2] ?? match[3] ?? '')
}

const parsed = new WeakMap<SourceFile, FileSyntax>()

/** Parses a file, once. Throws on what is no valid source, naming it. */
export function readSyntax(file: SourceFile): FileSyntax {
  let syntax = parsed.get(file)
  if (syntax === undefined) {
    try {
      syntax = parseFile(file)
    } catch (cause) {
      throw new Error(`${file.path} cannot be parsed`, { cause })
    }
    parsed.set(file, syntax)
  }
  return syntax
}

function parseFile(file: SourceFile): FileSyntax {
  const code = file.path.endsWith('.ts') ? withoutWarning(() => stripTypeScriptTypes(file.text)) : file.text
  const tree = parse(code, { ecmaVersion: 'latest', sourceType: 'module', locations: true, allowHashBang: true })
  const functions: FunctionSpan[] = []
  const names: NameUse[] = []
  const loads: string[] = []
  visit(tree, null, null, (node, parent, key) => {
    const start = node.loc?.start.line ?? 0
    const module = loadedModule(node)
    if (module !== null) loads.push(module)
    if (isFunction(node)) {
      const end = node.loc?.end.line ?? start
      functions.push({ name: functionName(node, parent), line: start, lineCount: end - start + 1 })
    } else if (node.type === 'MemberExpression' && node.object.type === 'Identifier' && !node.computed) {
      if (node.property.type === 'Identifier') {
        names.push({ name: `${node.object.name}.${node.property.name}`, line: start })
      }
    } else if (node.type === 'Identifier' && isRead(parent, key)) {
      names.push({ name: node.name, line: start })
    }
  })
  return { loads, functions, names }
}

type Visitor = (node: AnyNode, parent: AnyNode | null, key: string | null) => void

function visit(node: AnyNode, parent: AnyNode | null, key: string | null, visitor: Visitor): void {
  visitor(node, parent, key)
  for (const [name, child] of Object.entries(node)) {
    for (const each of Array.isArray(child) ? child : [child]) {
      if (isNode(each)) visit(each, node, name, visitor)
    }
  }
}

function isNode(value: unknown): value is AnyNode {
  return typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string'
}

function loadedModule(node: AnyNode): string | null {
  const loads =
    node.type === 'ImportDeclaration' ||
    node.type === 'ExportAllDeclaration' ||
    (node.type === 'ExportNamedDeclaration' && node.source)
  return loads && typeof node.source?.value === 'string' ? node.source.value : null
}

function isFunction(node: AnyNode): boolean {
  return (
    node.type === 'FunctionDeclaration' || node.type === 'FunctionExpression' || node.type === 'ArrowFunctionExpression'
  )
}

function functionName(node: AnyNode, parent: AnyNode | null): string {
  if ('id' in node && isNode(node.id) && node.id.type === 'Identifier') return node.id.name
  if (parent === null) return 'anonymous'
  const holder = 'key' in parent ? parent.key : 'id' in parent ? parent.id : null
  return isNode(holder) && 'name' in holder && typeof holder.name === 'string' ? holder.name : 'anonymous'
}

/** Whether an identifier in this place is read, and not the name of a property, a method or a declaration. */
function isRead(parent: AnyNode | null, key: string | null): boolean {
  if (parent === null) return false
  if (parent.type === 'MemberExpression') return key === 'object' || parent.computed
  if (key === 'key') return 'computed' in parent && parent.computed === true
  return !(key === 'id' || key === 'params' || key === 'local' || key === 'imported' || key === 'exported')
}

/** Node announces type stripping as experimental on its first use; that line would stand in every test report. */
function withoutWarning<Result>(action: () => Result): Result {
  const emit = process.emitWarning
  process.emitWarning = () => {}
  try {
    return action()
  } finally {
    process.emitWarning = emit
  }
}
