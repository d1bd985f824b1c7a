/**
 * The layering table of layers.json, and which package and folder a file belongs to.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from './source-tree.ts'

/** layers.json. */
export interface Layers {
  readonly packages: Readonly<
    Record<string, { readonly imports: readonly string[]; readonly testOnly: readonly string[] }>
  >
  readonly folders: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>
  readonly cores: {
    readonly paths: readonly string[]
    readonly forbiddenNames: readonly string[]
    readonly forbiddenImports: readonly string[]
  }
  readonly sizes: {
    readonly fileLinesMax: number
    readonly functionLinesMax: number
    /** `path#function` to the lines it may have: it may shrink, never grow. */
    readonly longFunctions: Readonly<Record<string, number>>
  }
}

/** One package of the workspace. */
export interface WorkspacePackage {
  /** Its folder, such as `broker/raft-ts`. */
  readonly folder: string
  readonly name: string
  /** What others may import, such as `@stratalog/proto/records`; `*` stands for any rest. */
  readonly entries: readonly string[]
}

/** Reads the table. */
export function readLayers(): Layers {
  return JSON.parse(readFileSync(join(ROOT, 'layers.json'), 'utf8'), (key, value) =>
    key === '$comment' ? undefined : value,
  ) as Layers
}

/** Reads the manifests of the packages in the table. */
export function readPackages(layers: Layers): WorkspacePackage[] {
  return Object.keys(layers.packages).map((folder) => {
    const manifest = JSON.parse(readFileSync(join(ROOT, folder, 'package.json'), 'utf8')) as {
      name: string
      exports?: Record<string, unknown>
    }
    const entries = Object.keys(manifest.exports ?? {}).map((key) => manifest.name + key.slice(1))
    return { folder, name: manifest.name, entries }
  })
}

/** The package that holds a file: the one with the longest matching folder; `null` for files of the root. */
export function packageOf(path: string, packages: readonly WorkspacePackage[]): WorkspacePackage | null {
  return packages
    .filter((each) => path.startsWith(`${each.folder}/`))
    .reduce<WorkspacePackage | null>(
      (best, each) => (best && best.folder.length > each.folder.length ? best : each),
      null,
    )
}
