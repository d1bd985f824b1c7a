/** What a script's commands print: text, indented blocks, and log lines of a level that is shown. */
import { LEVELS, type LogLine } from './render-trace.ts'

/** A buffer with a log level; at level `none` nothing is kept. */
export class Output {
  text = ''
  level = 0

  get quiet(): boolean {
    return this.level === LEVELS.length - 1
  }

  clear(): void {
    this.text = ''
  }

  setLevel(name: string): null {
    this.level = LEVELS.indexOf(name.toLowerCase() as (typeof LEVELS)[number])
    return null
  }

  write(text: string): void {
    if (!this.quiet) this.text += text
  }

  line(text: string): void {
    this.write(`${text}\n`)
  }

  log(line: LogLine): void {
    if (['DEBUG', 'INFO', 'WARN', 'ERROR'].indexOf(line.level) >= this.level) this.line(`${line.level} ${line.text}`)
  }

  /** Runs `work` and indents what it prints. */
  indent(work: () => void): void {
    const before = this.text
    this.text = ''
    work()
    const lines = this.text.split('\n')
    if (lines[lines.length - 1] === '') lines.pop()
    this.text = before + lines.map((line) => `  ${line}\n`).join('')
  }
}
