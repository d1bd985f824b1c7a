/**
 * Writes one client's history: a line an event, in the order of its clock. Memory is bounded by the buffer.
 *
 * Durability: page cache, once `flush` was called or the buffer was full; the kill of a client loses what it buffered.
 */
import { closeSync, createReadStream, mkdirSync, openSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { createInterface } from 'node:readline'
import { encodeEvent, type HistoryEvent, parseEvent } from '../../history/index.ts'

const BUFFER_CHARACTERS = 64 * 1024

/** An event without its time. */
export type Happening<E = HistoryEvent> = E extends HistoryEvent ? Omit<E, 'at'> : never

/** Milliseconds of the host's monotonic clock: the same for all processes. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
}

/** An open history. */
export class HistoryFile {
  readonly path: string
  readonly #descriptor: number
  #buffer = ''
  #lastMs = 0

  /** Creates the file and its folder. */
  constructor(path: string) {
    mkdirSync(dirname(path), { recursive: true })
    this.path = path
    this.#descriptor = openSync(path, 'w')
  }

  /** Appends; returns the time that the event got. */
  append(event: Happening): number {
    this.#lastMs = Math.max(this.#lastMs, monotonicMs())
    this.#buffer += `${encodeEvent({ ...event, at: this.#lastMs } as HistoryEvent)}\n`
    if (this.#buffer.length >= BUFFER_CHARACTERS) this.flush()
    return this.#lastMs
  }

  flush(): void {
    if (this.#buffer === '') return
    const bytes = Buffer.from(this.#buffer)
    this.#buffer = ''
    for (let written = 0; written < bytes.length; ) written += writeSync(this.#descriptor, bytes, written)
  }

  close(): void {
    this.flush()
    closeSync(this.#descriptor)
  }
}

/** Reads a history, line by line. Errors: HistoryFormatError. */
export async function* readHistory(path: string): AsyncGenerator<HistoryEvent> {
  const lines = createInterface({ input: createReadStream(path), crlfDelay: Number.POSITIVE_INFINITY })
  for await (const line of lines) if (line !== '') yield parseEvent(line)
}
