/**
 * Telling what happens: numbers for the hash, words for people.
 */
import type { NodeId } from '../../core/ids.ts'
import type { Message } from '../../core/messages.ts'

/** Receives one line per thing that happens. */
export interface SimTrace {
  (timeMs: number, node: NodeId | null, text: string): void
  /** A message in words. */
  describe(message: Message<number>): string
}

/** Makes a trace of whole lines. */
export function traceLines(line: (text: string) => void): SimTrace {
  const trace = (timeMs: number, node: NodeId | null, text: string): void => {
    const who = node === null ? '' : `${node} `
    line(`${(timeMs / 1000).toFixed(3).padStart(8)}s ${who}${text}`)
  }
  return Object.assign(trace, { describe })
}

function describe(message: Message<number>): string {
  const { from, to, term, group: _, ...rest } = message as Message<number> & Record<string, unknown>
  const fields = Object.entries(rest)
    .filter(([key]) => key !== 'type')
    .map(([key, value]) => `${key}=${describeValue(value)}`)
  return `${message.type} ${from}->${to} term=${term} ${fields.join(' ')}`
}

function describeValue(value: unknown): string {
  if (!Array.isArray(value)) return JSON.stringify(value) ?? 'undefined'
  return value.map((entry) => `[${entry.base},${entry.end})@${entry.term}`).join(' ') || 'none'
}

/** A number that tells messages apart. */
export function messageDigest(message: Message<number>): number {
  const route = (message.from << 8) ^ message.to ^ (message.term << 16) ^ (message.type.length << 24)
  switch (message.type) {
    case 'append':
      return route ^ Math.imul(message.prev, 31) ^ Math.imul(message.commit, 1009) ^ (message.entries.length << 4)
    case 'append-accepted':
      return route ^ Math.imul(message.end, 31)
    case 'append-rejected':
      return route ^ Math.imul(message.prev, 31) ^ Math.imul(message.hint, 1009)
    case 'heartbeat':
      return route ^ Math.imul(message.commit, 31) ^ message.readRound
    case 'heartbeat-response':
      return route ^ message.readRound
    default:
      return route
  }
}
