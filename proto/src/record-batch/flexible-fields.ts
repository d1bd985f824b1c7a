/**
 * Kafka's "flexible version" encoding, as far as control records need it: fixed integers, compact arrays and strings
 * (length + 1 as unsigned varint, 0 = null) and tagged fields.
 *
 * Values are small (a voter set), so the writer gathers parts. Source: Kafka KIP-482.
 */
import { CorruptMessageError } from './corrupt-message-error.ts'
import { readInt64, writeInt64 } from './int64.ts'
import { VarintReader, writeUnsignedVarint } from './varint.ts'

/** A field that readers who do not know its tag skip. */
export interface TaggedField {
  readonly tag: number
  readonly bytes: Uint8Array
}

/** Gathers fields into one buffer. */
export class FlexibleWriter {
  readonly #parts: Uint8Array[] = []

  int16(value: number): void {
    const part = Buffer.allocUnsafe(2)
    part.writeInt16BE(value)
    this.#parts.push(part)
  }

  int32(value: number): void {
    const part = Buffer.allocUnsafe(4)
    part.writeInt32BE(value)
    this.#parts.push(part)
  }

  /** A safe integer. */
  int64(value: number): void {
    const part = Buffer.allocUnsafe(8)
    writeInt64(part, 0, value)
    this.#parts.push(part)
  }

  unsignedVarint(value: number): void {
    const part = Buffer.allocUnsafe(5)
    this.#parts.push(part.subarray(0, writeUnsignedVarint(part, 0, value)))
  }

  bytes(value: Uint8Array): void {
    this.#parts.push(value)
  }

  /** @param fields in ascending order of tag. */
  taggedFields(fields: readonly TaggedField[]): void {
    this.unsignedVarint(fields.length)
    for (const { tag, bytes } of fields) {
      this.unsignedVarint(tag)
      this.unsignedVarint(bytes.length)
      this.bytes(bytes)
    }
  }

  finish(): Buffer {
    return Buffer.concat(this.#parts)
  }
}

/** Reads fields one after another; whatever runs over the end is CORRUPT_MESSAGE. */
export class FlexibleReader {
  readonly #varints: VarintReader

  constructor(buffer: Buffer) {
    this.#varints = new VarintReader(buffer, 0, buffer.length)
  }

  int16(): number {
    return this.bytes(2).readInt16BE()
  }

  int32(): number {
    return this.bytes(4).readInt32BE()
  }

  int64(field: string): number {
    return readInt64(this.bytes(8), 0, field)
  }

  /** A view of the next `length` bytes. */
  bytes(length: number): Buffer {
    const { buffer, position, end } = this.#varints
    if (length > end - position) throw new CorruptMessageError('control record is cut short', position)
    this.#varints.position = position + length
    return buffer.subarray(position, position + length)
  }

  compactString(): string {
    const length = this.#varints.readUnsignedVarint() - 1
    if (length < 0) throw new CorruptMessageError('string is null', this.#varints.position)
    return this.bytes(length).toString('utf8')
  }

  /** A compact array; every element takes at least one byte. */
  array<Element>(readElement: () => Element): Element[] {
    const count = this.#varints.readUnsignedVarint() - 1
    this.#checkCount(count)
    const elements: Element[] = []
    for (let index = 0; index < count; index++) elements.push(readElement())
    return elements
  }

  taggedFields(): TaggedField[] {
    const count = this.#varints.readUnsignedVarint()
    this.#checkCount(count)
    const fields: TaggedField[] = []
    for (let index = 0; index < count; index++) {
      const tag = this.#varints.readUnsignedVarint()
      fields.push({ tag, bytes: this.bytes(this.#varints.readUnsignedVarint()) })
    }
    return fields
  }

  expectEnd(): void {
    const { position, end } = this.#varints
    if (position !== end) throw new CorruptMessageError(`${end - position} bytes after the control record`, position)
  }

  #checkCount(count: number): void {
    const { position, end } = this.#varints
    if (count < 0 || count > end - position) throw new CorruptMessageError(`${count} elements`, position)
  }
}
