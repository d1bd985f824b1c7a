/**
 * Rules on what files say: cores without clock or I/O, nothing of one machine, links that lead somewhere.
 */
import { existsSync } from 'node:fs'
import { join, posix } from 'node:path'
import type { Layers } from './layers.ts'
import { isTestFile, ROOT, type SourceFile } from './source-tree.ts'
import { importSpecifiers, readSyntax } from './syntax.ts'

/** Uses of a clock, randomness, timers, the process or I/O in files that must be deterministic. */
export function impureCores(files: readonly SourceFile[], cores: Layers['cores']): string[] {
  const problems: string[] = []
  for (const file of files) {
    if (isTestFile(file.path) || !cores.paths.some((core) => file.path === core || file.path.startsWith(`${core}/`)))
      continue
    for (const { name, line } of readSyntax(file).names) {
      if (cores.forbiddenNames.includes(name)) problems.push(`${file.path}:${line} uses ${name}; pass it in`)
    }
    for (const module of importSpecifiers(file.text)) {
      if (cores.forbiddenImports.includes(module)) problems.push(`${file.path} imports ${module}; keep it in a shell`)
    }
  }
  return problems
}

/** Rows of the cores' table that name nothing. */
export function missingCores(cores: Layers['cores']): string[] {
  return cores.paths
    .filter((path) => !existsSync(join(ROOT, path)))
    .map((path) => `layers.json: ${path} does not exist`)
}

const NOT_FOR_THE_REPOSITORY: readonly (readonly [RegExp, string])[] = [
  [/(?<![\w.~-])\/(?:home|root|Users|work|farm)\/[a-zA-Z.]/, 'an absolute path of one machine'],
  [/registry\.npmjs|registry\.yarnpkg|repo1?\.maven\.org|deb\.debian\.org/i, 'the name of a registry host'],
  [/\bTODO\b|\bFIXME\b|\bXXX\b/, 'an unfinished note'],
]

/** Paths of one machine, registry hosts, unfinished notes. This file, which spells them out, is left out. */
export function foreignContent(files: readonly SourceFile[]): string[] {
  return files
    .filter(({ path }) => !path.endsWith('tidy/content-rules.ts') && path !== 'pnpm-lock.yaml')
    .flatMap(({ path, text }) =>
      text
        .split('\n')
        .flatMap((line, index) =>
          NOT_FOR_THE_REPOSITORY.filter(([pattern]) => pattern.test(line)).map(
            ([, what]) => `${path}:${index + 1} has ${what}`,
          ),
        ),
    )
}

/** Relative links of Markdown files that lead nowhere. */
export function brokenLinks(files: readonly SourceFile[]): string[] {
  return files.flatMap(({ path, text }) =>
    [...text.replace(/```[\s\S]*?```/g, '').matchAll(/\]\(([^)\s]+)\)/g)].flatMap(([, target = '']) => {
      const file = target.split('#')[0] ?? ''
      if (file === '' || /^[a-z]+:/.test(file)) return []
      return existsSync(join(ROOT, posix.dirname(path), file))
        ? []
        : [`${path} links to ${target}, which does not exist`]
    }),
  )
}

/** Source files without an opening paragraph that says what they are; tests and entry points that only re-export are free. */
export function headerless(files: readonly SourceFile[]): string[] {
  return files
    .filter(({ path }) => !isTestFile(path))
    .filter(({ text }) => !/^(#![^\n]*\n)?(\/\/ @ts-nocheck\n)?\/\*\*\n/.test(text))
    .filter(({ text }) => !text.startsWith('/** ') && !text.startsWith('// '))
    .map(({ path }) => `${path} does not begin with a paragraph that says what it is`)
}
