import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LiveScreen } from './live-screen.ts'

function drawn(pages: readonly string[], terminal: { isTTY: boolean; rows?: number; columns?: number }): string {
  let text = ''
  const write = (more: string): unknown => {
    text += more
    return true
  }
  const screen = new LiveScreen({ ...terminal, write })
  for (const page of pages) screen.draw(page)
  screen[Symbol.dispose]()
  return text.replaceAll('\u001b', '^')
}

test('a terminal is drawn over, and gets its cursor back', () => {
  const text = drawn(['a\nb\n', 'c\n'], { isTTY: true, rows: 24, columns: 80 })
  assert.equal(text, '^[?25l^[2J^[Ha^[K\nb^[K\n^[J^[Hc^[K\n^[J^[?25h')
})

test('what is larger than the terminal is cut off', () => {
  const text = drawn(['1234567\n2\n3\n4\n5\n'], { isTTY: true, rows: 4, columns: 5 })
  assert.match(text, /\^\[H12345\^\[K\n2\^\[K\n\.\.\. 3\^\[K\n\^\[J/)
})

test('elsewhere pages follow each other', () => {
  assert.equal(drawn(['a\n', 'b\n'], { isTTY: false }), 'a\n\nb\n')
})
