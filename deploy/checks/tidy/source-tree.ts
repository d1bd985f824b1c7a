/**
 * The repository's own files as the tidy rules see them: paths relative to the root with `/`, content read once.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Root of the checkout. */
export const ROOT: string = dirname(dirname(dirname(dirname(fileURLToPath(import.meta.url)))))

/** Folders that hold what was installed, built, generated or produced by a run. */
const SKIPPED = new Set(['node_modules', 'dist', '.git', 'testdata', 'data', 'out', 'generated'])

/** One file. */
export interface SourceFile {
  readonly path: string
  readonly text: string
}

/** Whether the file is part of a test and not of the product. */
export function isTestFile(path: string): boolean {
  return /\.test\.m?ts$/.test(path) || /(^|\/)test\//.test(path)
}

/** Every file of the repository with one of these endings, sorted by path. */
export function readTree(endings: readonly string[]): SourceFile[] {
  const files: SourceFile[] = []
  const walk = (folder: string): void => {
    for (const entry of readdirSync(join(ROOT, folder), { withFileTypes: true })) {
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`
      if (entry.isDirectory()) {
        if (!SKIPPED.has(entry.name)) walk(path)
      } else if (endings.some((ending) => entry.name.endsWith(ending))) {
        files.push({ path, text: readFileSync(join(ROOT, path), 'utf8') })
      }
    }
  }
  walk('')
  return files.sort((a, b) => (a.path < b.path ? -1 : 1))
}
