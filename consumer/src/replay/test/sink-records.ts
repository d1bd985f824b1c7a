/** Records as encoders get them, and encoders run over them, for tests. */
import type { LogRecord } from '@stratalog/proto/records'
import type { ByteTarget } from '../sinks/byte-target.ts'
import type { RecordEncoder } from '../sinks/record-encoder.ts'

/** What a record of a test says; the rest is empty. */
export interface RecordParts {
  readonly offset?: number
  readonly timestamp?: number
  readonly key?: string | Buffer | null
  readonly value?: string | Buffer | null
  readonly headers?: LogRecord['headers']
}

/** A record. */
export function record({ offset = 0, timestamp = -1, key = null, value = null, headers = [] }: RecordParts): LogRecord {
  const bytes = (part: string | Buffer | null): Buffer | null => (part === null ? null : Buffer.from(part))
  return { offset, timestamp, key: bytes(key), value: bytes(value), headers }
}

/** Collects what is written. */
export class Collected implements ByteTarget {
  readonly chunks: Buffer[] = []

  get bytes(): Buffer {
    return Buffer.concat(this.chunks)
  }

  write(bytes: Uint8Array): void {
    this.chunks.push(Buffer.from(bytes))
  }
}

/** Encodes records. @returns the bytes, and the reason for each record that did not fit, by offset. */
export function encodeAll(
  make: (target: ByteTarget) => RecordEncoder,
  records: Iterable<LogRecord>,
): { bytes: Buffer; reasons: Map<number, string> } {
  const target = new Collected()
  const encoder = make(target)
  const reasons = new Map<number, string>()
  for (const each of records) {
    const reason = encoder.append(each)
    if (reason !== null) reasons.set(each.offset, reason)
  }
  encoder.finish()
  return { bytes: target.bytes, reasons }
}
