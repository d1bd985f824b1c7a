/**
 * Rules on imports: between packages, inside a package, through public entries only, without cycles.
 */
import { posix } from 'node:path'
import { type Layers, packageOf, type WorkspacePackage } from './layers.ts'
import { isTestFile, type SourceFile } from './source-tree.ts'
import { importSpecifiers, readSyntax } from './syntax.ts'

/** What a file imports, resolved. */
export interface FileImports {
  readonly path: string
  /** Files of the repository, by relative import, types included. */
  readonly files: readonly string[]
  /** Those of them that are loaded with it. */
  readonly loads: readonly string[]
  /** Everything else, as written. */
  readonly modules: readonly string[]
}

/** Reads the imports of every file. */
export function readImports(files: readonly SourceFile[]): FileImports[] {
  return files.map((file) => {
    const { path } = file
    const specifiers = importSpecifiers(file.text)
    const filesOf = (modules: readonly string[]): string[] =>
      modules.filter((each) => each.startsWith('.')).map((each) => posix.join(posix.dirname(path), each))
    return {
      path,
      files: filesOf(specifiers),
      loads: filesOf(readSyntax(file).loads),
      modules: specifiers.filter((each) => !each.startsWith('.')),
    }
  })
}

/** Imports of another package: allowed by the table, and only through what that package exports. */
export function packageViolations(
  imports: readonly FileImports[],
  layers: Layers,
  packages: readonly WorkspacePackage[],
): string[] {
  const problems: string[] = []
  for (const { path, files, modules } of imports) {
    const own = packageOf(path, packages)
    if (own === null) continue
    for (const file of files) {
      const target = packageOf(file, packages)
      if (target !== own) problems.push(`${path} reaches into ${file}: import ${target?.name ?? 'it'} by name`)
    }
    for (const module of modules) {
      const target = packages.find((each) => module === each.name || module.startsWith(`${each.name}/`))
      if (target === undefined) continue
      if (!target.entries.some((entry) => matchesEntry(module, entry))) {
        problems.push(`${path} imports ${module}, which ${target.name} does not export`)
      }
      if (target === own) {
        if (!isTestFile(path)) problems.push(`${path} imports its own package by name`)
        continue
      }
      const row = layers.packages[own.folder]
      const allowed = isTestFile(path) ? [...(row?.imports ?? []), ...(row?.testOnly ?? [])] : (row?.imports ?? [])
      if (!allowed.includes(target.folder)) problems.push(`${path} imports ${module}: ${own.folder} may not`)
    }
  }
  return problems
}

/** Imports between the folders of one package, where the table orders them; tests may import anything of their package. */
export function folderViolations(imports: readonly FileImports[], layers: Layers): string[] {
  const problems: string[] = []
  for (const [base, table] of Object.entries(layers.folders)) {
    for (const { path, files } of imports) {
      if (!path.startsWith(`${base}/`) || isTestFile(path)) continue
      const own = folderWithin(path, base)
      const allowed = table[own]
      if (allowed === undefined) {
        problems.push(`${path}: the folder ${own} is not in layers.json`)
        continue
      }
      for (const file of files.filter((each) => each.startsWith(`${base}/`))) {
        const target = folderWithin(file, base)
        if (target !== own && !allowed.includes(target))
          problems.push(`${path} imports ${file}: ${own} is below ${target}`)
      }
    }
  }
  return problems
}

/** Cycles between files as they are loaded, each shown once; types may refer to each other. */
export function importCycles(imports: readonly FileImports[]): string[] {
  const edges = new Map(imports.map(({ path, loads }) => [path, loads]))
  const cycles: string[] = []
  const finished = new Set<string>()
  const trail: string[] = []
  const walk = (path: string): void => {
    const at = trail.indexOf(path)
    if (at !== -1) {
      cycles.push([...trail.slice(at), path].join(' -> '))
      return
    }
    if (finished.has(path)) return
    trail.push(path)
    for (const next of edges.get(path) ?? []) walk(next)
    trail.pop()
    finished.add(path)
  }
  for (const path of edges.keys()) walk(path)
  return cycles
}

function folderWithin(path: string, base: string): string {
  const rest = path.slice(base.length + 1)
  return rest.includes('/') ? rest.slice(0, rest.indexOf('/')) : '.'
}

function matchesEntry(module: string, entry: string): boolean {
  return entry.endsWith('*') ? module.startsWith(entry.slice(0, -1)) : module === entry
}
