/**
 * A page that is shown again and again: on a terminal it is drawn over itself, elsewhere the pages follow each other with
 * an empty line between them.
 *
 * A page that is larger than the terminal is cut off, because what scrolls away cannot be drawn over.
 */
const CLEAR_SCREEN = '\u001b[2J'
const HOME = '\u001b[H'
const CLEAR_TO_LINE_END = '\u001b[K'
const CLEAR_TO_SCREEN_END = '\u001b[J'
const HIDE_CURSOR = '\u001b[?25l'
const SHOW_CURSOR = '\u001b[?25h'

/** What is needed of a terminal. */
export interface Screen {
  readonly isTTY?: boolean | undefined
  readonly rows?: number | undefined
  readonly columns?: number | undefined
  write(text: string): unknown
}

/** Owner: one loop that draws; dispose of it to give the terminal back. */
export class LiveScreen implements Disposable {
  readonly #screen: Screen
  #isFirst = true

  constructor(screen: Screen) {
    this.#screen = screen
  }

  /** Shows a page: lines that each end with a newline. */
  draw(page: string): void {
    const screen = this.#screen
    if (screen.isTTY === true) {
      const begin = this.#isFirst ? `${HIDE_CURSOR}${CLEAR_SCREEN}` : ''
      const lines = fit(page, screen).map((line) => `${line}${CLEAR_TO_LINE_END}\n`)
      screen.write(`${begin}${HOME}${lines.join('')}${CLEAR_TO_SCREEN_END}`)
    } else {
      screen.write(this.#isFirst ? page : `\n${page}`)
    }
    this.#isFirst = false
  }

  [Symbol.dispose](): void {
    if (this.#screen.isTTY === true && !this.#isFirst) this.#screen.write(SHOW_CURSOR)
  }
}

/** The lines that there is room for, the last row staying free for the cursor. */
function fit(page: string, { rows, columns }: Screen): string[] {
  const lines = page.trimEnd().split('\n')
  const cut = columns === undefined ? lines : lines.map((line) => line.slice(0, columns))
  if (rows === undefined || cut.length < rows) return cut
  const room = Math.max(1, rows - 2)
  return [...cut.slice(0, room), `... ${cut.length - room} more lines`.slice(0, columns)]
}
