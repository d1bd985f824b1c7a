/**
 * How one line of input becomes one record: a plain line (its bytes are the value) or a JSON object that spells out key,
 * value, headers, timestamp and partition, which is also what `consume --format json` prints.
 *
 * No I/O. Bytes of a plain line are never changed; a key cut off by a separator leaves the rest as the value.
 */
import { CommandError } from '../command-error.ts'

/** A header; `null` value is allowed by the format. */
export interface InputHeader {
  readonly key: string
  readonly value: Buffer | null
}

/** A record to be sent; fields left `undefined` are the producer's to choose. */
export interface InputRecord {
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: readonly InputHeader[]
  readonly timestamp: number | undefined
  readonly partition: number | undefined
}

/** Options of `stratalog produce` that shape records. */
export interface InputShape {
  readonly format: 'lines' | 'jsonl'
  /** Bytes between key and value; lines only. `null` = lines have no key. */
  readonly keySeparator: Buffer | null
  /** Field of a JSON object whose text is the key; `null` = none. */
  readonly keyField: string | null
  /** Put on every record, before its own. */
  readonly headers: readonly InputHeader[]
  /** For every record that does not name its own. */
  readonly partition: number | undefined
}

const JSONL_FIELDS = new Set([
  'key',
  'keyBase64',
  'value',
  'valueBase64',
  'headers',
  'timestamp',
  'partition',
  'topic',
  'offset',
  'leaderEpoch',
])

/**
 * The record of one line.
 *
 * @param lineNumber counted from 1, for errors.
 * Errors: `INPUT_INVALID` naming the line and what is wrong with it.
 */
export function readInputRecord(line: Buffer, lineNumber: number, shape: InputShape): InputRecord {
  return shape.format === 'lines' ? plainRecord(line, lineNumber, shape) : jsonRecord(line, lineNumber, shape)
}

function plainRecord(line: Buffer, lineNumber: number, shape: InputShape): InputRecord {
  const { headers, partition } = shape
  if (shape.keySeparator !== null) {
    const at = line.indexOf(shape.keySeparator)
    if (at === -1) {
      throw invalid(lineNumber, `has no key separator ${JSON.stringify(shape.keySeparator.toString())}`)
    }
    const value = line.subarray(at + shape.keySeparator.length)
    return { key: line.subarray(0, at), value, headers, timestamp: undefined, partition }
  }
  const key = shape.keyField === null ? null : fieldAsKey(parseObject(line, lineNumber), shape.keyField, lineNumber)
  return { key, value: line, headers, timestamp: undefined, partition }
}

function jsonRecord(line: Buffer, lineNumber: number, shape: InputShape): InputRecord {
  const fields = parseObject(line, lineNumber)
  for (const name of Object.keys(fields)) {
    if (!JSONL_FIELDS.has(name)) throw invalid(lineNumber, `has the unknown field ${JSON.stringify(name)}`)
  }
  const value = readBytes(fields, 'value', lineNumber)
  const key =
    shape.keyField === null
      ? readBytes(fields, 'key', lineNumber)
      : fieldAsKey(asObject(fields['value'], lineNumber, 'the value'), shape.keyField, lineNumber)
  return {
    key,
    value,
    headers: [...shape.headers, ...readHeaders(fields['headers'], lineNumber)],
    timestamp: readInteger(fields, 'timestamp', Number.MAX_SAFE_INTEGER, lineNumber),
    partition: readInteger(fields, 'partition', 2 ** 31 - 1, lineNumber) ?? shape.partition,
  }
}

/** Text as it is, `null` and a missing field as null, anything else as its JSON; `<name>Base64` for arbitrary bytes. */
function readBytes(fields: Record<string, unknown>, name: string, lineNumber: number): Buffer | null {
  const encoded = fields[`${name}Base64`]
  if (encoded !== undefined && encoded !== null) return readBase64(encoded, `${name}Base64`, lineNumber)
  const content = fields[name]
  if (content === undefined || content === null) return null
  return Buffer.from(typeof content === 'string' ? content : JSON.stringify(content))
}

function readBase64(encoded: unknown, name: string, lineNumber: number): Buffer {
  if (typeof encoded !== 'string' || !/^[A-Za-z0-9+/]*={0,2}$/.test(encoded) || encoded.length % 4 !== 0) {
    throw invalid(lineNumber, `has a ${name} that is not base64 text`)
  }
  return Buffer.from(encoded, 'base64')
}

/** `{"name": "text"}` or, where order or repetition counts, `[{"key": "name", "value": "text"}]`. */
function readHeaders(content: unknown, lineNumber: number): InputHeader[] {
  if (content === undefined || content === null) return []
  if (Array.isArray(content)) {
    return content.map((each) => {
      const header = asObject(each, lineNumber, 'a header')
      if (typeof header['key'] !== 'string') throw invalid(lineNumber, 'has a header without a "key" of text')
      return { key: header['key'], value: readBytes(header, 'value', lineNumber) }
    })
  }
  const object = asObject(content, lineNumber, 'headers')
  return Object.keys(object).map((key) => ({ key, value: readBytes({ value: object[key] }, 'value', lineNumber) }))
}

function readInteger(
  fields: Record<string, unknown>,
  name: string,
  highest: number,
  lineNumber: number,
): number | undefined {
  const content = fields[name]
  if (content === undefined || content === null) return undefined
  if (typeof content === 'number' && Number.isInteger(content) && content >= 0 && content <= highest) return content
  throw invalid(lineNumber, `has a ${name} that is not an integer from 0 to ${highest}`)
}

function fieldAsKey(fields: Record<string, unknown>, name: string, lineNumber: number): Buffer | null {
  const content = fields[name]
  if (content === undefined) throw invalid(lineNumber, `has no field ${JSON.stringify(name)} to take the key from`)
  if (content === null) return null
  return Buffer.from(typeof content === 'string' ? content : JSON.stringify(content))
}

function parseObject(line: Buffer, lineNumber: number): Record<string, unknown> {
  let content: unknown
  try {
    content = JSON.parse(line.toString())
  } catch (error) {
    throw invalid(lineNumber, `is not JSON: ${error instanceof Error ? error.message : String(error)}`)
  }
  return asObject(content, lineNumber, 'it')
}

function asObject(content: unknown, lineNumber: number, what: string): Record<string, unknown> {
  if (typeof content === 'object' && content !== null && !Array.isArray(content)) {
    return content as Record<string, unknown>
  }
  throw invalid(lineNumber, `is refused because ${what} is not a JSON object`)
}

function invalid(lineNumber: number, complaint: string): CommandError {
  return new CommandError(
    'INPUT_INVALID',
    `line ${lineNumber} ${complaint}`,
    'records before this line were sent; mend the line and send the rest, or see: stratalog produce --help',
  )
}
