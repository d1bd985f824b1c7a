/**
 * One history of a group run, a line an event.
 *
 * Durability: page cache when `append` returns. The kill of the process loses nothing: an offset that it commits later
 * covers only records whose processing is in the file.
 */
import { closeSync, createReadStream, mkdirSync, openSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { createInterface } from 'node:readline'
import { monotonicMs } from '../workload/history-file.ts'
import type { GroupEvent } from './group-event.ts'

type Untimed<E> = E extends GroupEvent ? Omit<E, 'at'> : never

/** See the file's header. */
export class GroupHistory {
  readonly #descriptor: number

  /** Creates the file and its folder. */
  constructor(path: string) {
    mkdirSync(dirname(path), { recursive: true })
    this.#descriptor = openSync(path, 'w')
  }

  /** Appends; returns the time that the event got. */
  append(event: Untimed<GroupEvent>): number {
    const at = Math.round(monotonicMs() * 1000) / 1000
    const bytes = Buffer.from(`${JSON.stringify({ ...event, at })}\n`)
    for (let written = 0; written < bytes.length; ) written += writeSync(this.#descriptor, bytes, written)
    return at
  }

  close(): void {
    closeSync(this.#descriptor)
  }
}

/** Reads a history. The last line of a process that was killed may be torn: it is left out. */
export async function* readGroupHistory(path: string): AsyncGenerator<GroupEvent> {
  const lines = createInterface({ input: createReadStream(path), crlfDelay: Number.POSITIVE_INFINITY })
  for await (const line of lines) if (line.endsWith('}')) yield JSON.parse(line) as GroupEvent
}
