/**
 * How `stratalog consume` writes one record: `raw` (the value and a newline), `json` (one object a line, which
 * `produce --format jsonl` reads back) or a template in kcat's letters.
 *
 * Values and keys go out as they are, never through text, except in JSON, where bytes that are not UTF-8 become base64.
 */
import { isUtf8 } from 'node:buffer'
import { usageError } from '../command-error.ts'
import type { ChunkWriter } from './chunk-writer.ts'

/** What is needed of a record to print it. */
export interface PrintableRecord {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  /** ms since 1970; -1 = none. */
  readonly timestamp: number
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: readonly { readonly key: string; readonly value: Buffer | null }[]
}

/** Writes one record. @returns whether the writer asks for a pause. */
export type RecordFormat = (record: PrintableRecord, out: ChunkWriter) => boolean

const NEWLINE = 0x0a

/**
 * The format named or described by `text`.
 *
 * Errors: `USAGE` for a template with an unknown letter or without any.
 */
export function recordFormat(text: string): RecordFormat {
  if (text === 'raw') return writeRaw
  if (text === 'json') return writeJson
  return templateFormat(text)
}

/** The value and a newline; a null value is an empty line. */
function writeRaw(record: PrintableRecord, out: ChunkWriter): boolean {
  if (record.value !== null) out.appendBytes(record.value)
  return out.appendByte(NEWLINE)
}

function writeJson(record: PrintableRecord, out: ChunkWriter): boolean {
  return out.appendText(`${JSON.stringify(recordAsJson(record))}\n`)
}

/** The object of `--format json`; `keyBase64` and `valueBase64` stand in for what is not UTF-8. */
function recordAsJson(record: PrintableRecord): Record<string, unknown> {
  return { topic: record.topic, partition: record.partition, ...contentAsJson(record) }
}

/** The same without the place. */
export function contentAsJson(record: Omit<PrintableRecord, 'topic' | 'partition'>): Record<string, unknown> {
  return {
    offset: record.offset,
    timestamp: record.timestamp < 0 ? null : record.timestamp,
    ...bytesAsJson('key', record.key),
    ...bytesAsJson('value', record.value),
    ...(record.headers.length === 0
      ? {}
      : { headers: record.headers.map(({ key, value }) => ({ key, ...bytesAsJson('value', value) })) }),
  }
}

function bytesAsJson(name: string, bytes: Buffer | null): Record<string, string | null> {
  if (bytes === null) return { [name]: null }
  return isUtf8(bytes) ? { [name]: bytes.toString() } : { [`${name}Base64`]: bytes.toString('base64') }
}

const EMPTY = Buffer.alloc(0)

const LETTERS: Record<string, (record: PrintableRecord) => string | Buffer> = {
  t: (record) => record.topic,
  p: (record) => String(record.partition),
  o: (record) => String(record.offset),
  k: (record) => record.key ?? EMPTY,
  K: (record) => String(record.key?.length ?? -1),
  v: (record) => record.value ?? EMPTY,
  s: (record) => record.value ?? EMPTY,
  V: (record) => String(record.value?.length ?? -1),
  S: (record) => String(record.value?.length ?? -1),
  T: (record) => String(record.timestamp),
  D: (record) => (record.timestamp < 0 ? '' : new Date(record.timestamp).toISOString()),
  h: (record) => record.headers.map(({ key, value }) => `${key}=${value === null ? 'NULL' : value}`).join(','),
  '%': () => '%',
}

const ESCAPES: Record<string, string> = { n: '\n', t: '\t', r: '\r', '0': '\0', '\\': '\\' }

function templateFormat(template: string): RecordFormat {
  const pieces = parseTemplate(template)
  return (record, out) => {
    let full = false
    for (const piece of pieces) {
      const content = typeof piece === 'function' ? piece(record) : piece
      full = typeof content === 'string' ? out.appendText(content) : out.appendBytes(content)
    }
    return full
  }
}

function parseTemplate(template: string): (string | ((record: PrintableRecord) => string | Buffer))[] {
  const known = 'raw, json, or a template of %t topic %p partition %o offset %k key %v value %T timestamp %h headers'
  if (!template.includes('%')) throw usageError(`--format ${JSON.stringify(template)} is no format`, `use ${known}`)
  return [...template.matchAll(/%(.?)|\\x([0-9a-fA-F]{2})|\\(.)|[^%\\]+|\\/gs)].map(([text, letter, hex, escaped]) => {
    if (letter !== undefined) {
      const piece = LETTERS[letter]
      if (piece === undefined) throw usageError(`--format has the unknown letter %${letter}`, `use ${known}`)
      return piece
    }
    if (hex !== undefined) return String.fromCharCode(Number.parseInt(hex, 16))
    if (escaped !== undefined) return ESCAPES[escaped] ?? text
    return text
  })
}
