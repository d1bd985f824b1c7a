/**
 * A record a line, as `stratalog consume --format json` prints it and `stratalog produce --format jsonl` reads it back.
 *
 * In `text` mode every record fits: bytes that are not UTF-8 become `keyBase64` and `valueBase64`. In `json` mode the value
 * stands in the line as JSON, digit for digit as it was in the record; one that is no JSON does not fit.
 */
import { isUtf8 } from 'node:buffer'
import type { LogRecord } from '@stratalog/proto/records'
import { type ByteTarget, ChunkBuffer } from './byte-target.ts'
import { jsonStringBytesMax, writeJsonString } from './json-text.ts'
import type { RecordEncoder } from './record-encoder.ts'
import { headersCell } from './row-shaper.ts'

/** Beside keys, values and headers: names, numbers, punctuation. */
const FRAME_BYTES = 160

/** See the file's header. */
export class NdjsonEncoder implements RecordEncoder {
  readonly #out: ChunkBuffer
  readonly #prefix: Buffer
  readonly #embedsJson: boolean

  constructor(target: ByteTarget, place: { readonly topic: string; readonly partition: number }, embedsJson: boolean) {
    this.#out = new ChunkBuffer(target)
    this.#prefix = Buffer.from(`{"topic":${JSON.stringify(place.topic)},"partition":${place.partition},"offset":`)
    this.#embedsJson = embedsJson
  }

  append(record: LogRecord): string | null {
    const { key, value } = record
    if (this.#embedsJson && value !== null) {
      const reason = whyNoJson(value)
      if (reason !== null) return reason
    }
    const headers = headersCell(record.headers)
    const bytes =
      this.#prefix.length +
      FRAME_BYTES +
      jsonStringBytesMax(key?.length ?? 0) +
      jsonStringBytesMax(value?.length ?? 0) +
      (headers?.length ?? 0) * 3
    const chunk = this.#out.room(bytes)
    let at = this.#out.position
    this.#prefix.copy(chunk, at)
    at += this.#prefix.length
    at += chunk.write(String(record.offset), at, 'latin1')
    at += chunk.write(record.timestamp < 0 ? ',"timestamp":null' : `,"timestamp":${record.timestamp}`, at, 'latin1')
    at = writeBytes(chunk, at, 'key', key)
    at = this.#embedsJson && value !== null ? writeJson(chunk, at, value) : writeBytes(chunk, at, 'value', value)
    if (headers !== null) at += chunk.write(`,"headers":${headers}`, at)
    at += chunk.write('}\n', at, 'latin1')
    this.#out.advance(at)
    return null
  }

  finish(): void {
    this.#out.flush()
  }
}

function writeBytes(chunk: Buffer, position: number, name: string, bytes: Buffer | null): number {
  if (bytes === null) return position + chunk.write(`,"${name}":null`, position, 'latin1')
  const start = position + chunk.write(`,"${name}":`, position, 'latin1')
  const end = writeJsonString(chunk, start, bytes)
  if (end >= 0) return end
  return position + chunk.write(`,"${name}Base64":"${bytes.toString('base64')}"`, position, 'latin1')
}

/** The value's own text; line breaks, which in JSON stand between tokens only, become spaces. */
function writeJson(chunk: Buffer, position: number, value: Buffer): number {
  let at = position + chunk.write(',"value":', position, 'latin1')
  for (let index = 0; index < value.length; index++) {
    const byte = value[index]!
    chunk[at++] = byte === 0x0a || byte === 0x0d ? 0x20 : byte
  }
  return at
}

function whyNoJson(value: Buffer): string | null {
  if (!isUtf8(value)) return 'the value is not UTF-8'
  try {
    JSON.parse(value.toString('utf8'))
    return null
  } catch (error) {
    return `the value is not JSON: ${error instanceof Error ? error.message : String(error)}`
  }
}
