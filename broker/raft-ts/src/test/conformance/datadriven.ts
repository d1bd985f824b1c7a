/**
 * The format of the conformance scripts: command lines, optional input, `----`, and the output expected up to a blank line.
 */

/** An argument: `key`, `key=value` or `key=(v1,v2)`. */
export interface CommandArg {
  readonly key: string
  readonly values: readonly string[]
}

/** One directive of a script. */
export interface Directive {
  readonly line: number
  readonly command: string
  readonly args: readonly CommandArg[]
  readonly input: string
  readonly expected: string
}

/** Reads a whole script. */
export function parseScript(text: string): Directive[] {
  const lines = text.split('\n')
  const directives: Directive[] = []
  let at = 0
  while (at < lines.length) {
    let line = lines[at]!
    if (line.trim() === '' || line.startsWith('#')) {
      at++
      continue
    }
    const start = at + 1
    while (line.endsWith('\\')) {
      at++
      line = `${line.slice(0, -1)} ${lines[at]!.trim()}`
    }
    at++
    const input: string[] = []
    while (lines[at] !== '----') {
      input.push(lines[at]!)
      at++
    }
    at++
    const expected: string[] = []
    while (at < lines.length && lines[at] !== '') {
      expected.push(lines[at]!)
      at++
    }
    const { command, args } = parseCommand(line)
    directives.push({ line: start, command, args, input: input.join('\n').trim(), expected: expected.join('\n') })
  }
  return directives
}

/** Splits a command line into its words and lists. */
export function parseCommand(line: string): { command: string; args: CommandArg[] } {
  const words: string[] = []
  let word = ''
  let depth = 0
  for (const char of line) {
    if (char === '(') depth++
    if (char === ')') depth--
    if (depth === 0 && /\s/.test(char)) {
      if (word !== '') words.push(word)
      word = ''
    } else {
      word += char
    }
  }
  if (word !== '') words.push(word)
  return { command: words[0] ?? '', args: words.slice(1).map(parseArg) }
}

function parseArg(word: string): CommandArg {
  const equals = word.indexOf('=')
  if (equals < 0) return { key: word, values: [] }
  const value = word.slice(equals + 1)
  const inner = value.startsWith('(') && value.endsWith(')') ? value.slice(1, -1) : null
  const values = inner === null ? [value] : inner.split(/[\s,]+/).filter((item) => item !== '')
  return { key: word.slice(0, equals), values }
}

/** The values of the argument named `key`, or undefined. */
export function argOf(args: readonly CommandArg[], key: string): readonly string[] | undefined {
  return args.find((arg) => arg.key === key)?.values
}
