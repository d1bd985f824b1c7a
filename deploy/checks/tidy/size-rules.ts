/**
 * Rules on sizes: no file over the limit, no new long function; listed long functions may only shrink.
 */
import type { Layers } from './layers.ts'
import { isTestFile, type SourceFile } from './source-tree.ts'
import { readSyntax } from './syntax.ts'

/** Files with more lines than allowed. */
export function longFiles(files: readonly SourceFile[], sizes: Layers['sizes']): string[] {
  return files.flatMap(({ path, text }) => {
    const lineCount = text.split('\n').length - 1
    return lineCount > sizes.fileLinesMax ? [`${path} has ${lineCount} lines, at most ${sizes.fileLinesMax}`] : []
  })
}

/** Functions longer than allowed, and rows of the ratchet that could be lower or are gone. */
export function longFunctions(files: readonly SourceFile[], sizes: Layers['sizes']): string[] {
  const problems: string[] = []
  const unseen = new Map(Object.entries(sizes.longFunctions))
  for (const file of files) {
    if (isTestFile(file.path)) continue
    for (const { name, line, lineCount } of readSyntax(file).functions) {
      if (lineCount <= sizes.functionLinesMax) continue
      const id = `${file.path}#${name}`
      const allowed = unseen.get(id) ?? sizes.functionLinesMax
      unseen.delete(id)
      if (lineCount > allowed) problems.push(`${file.path}:${line} ${name} has ${lineCount} lines, at most ${allowed}`)
      if (lineCount < allowed) problems.push(`layers.json: lower longFunctions["${id}"] to ${lineCount}`)
    }
  }
  for (const id of unseen.keys()) problems.push(`layers.json: longFunctions["${id}"] is no longer long: remove the row`)
  return problems
}
