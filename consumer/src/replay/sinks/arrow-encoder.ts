/**
 * An Arrow IPC stream (`.arrows`) by the package flechette: the schema, then a record batch at a time, so that memory does
 * not grow with the file.
 *
 * The package encodes whole tables. Each piece is such a table of one batch; of all but the first the schema message is
 * left out, and of all the end-of-stream mark, which `finish` writes once.
 */
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { invariant } from '@stratalog/proto'
import type { LogRecord } from '@stratalog/proto/records'
import type { DataType, Table } from '@uwdata/flechette'
import type { ByteTarget } from './byte-target.ts'
import { ColumnBuffers } from './column-buffers.ts'
import type { Column, ColumnType, OutputSchema } from './columns.ts'
import { loadFormatPackage } from './format-package.ts'
import type { RecordEncoder } from './record-encoder.ts'
import { type Cell, RowShaper } from './row-shaper.ts'

type Flechette = typeof import('@uwdata/flechette')

/** How the buffers of a record batch are compressed. */
export type ArrowCodec = 'none' | 'zstd'

/** The continuation mark and a length of zero. */
const END_OF_STREAM = Buffer.from([0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0])
/** Mark and length in front of each message's metadata. */
const MESSAGE_PREFIX_BYTES = 8

/** Loads what it needs. Errors: UNSUPPORTED_FORMAT when the optional package is not installed. */
export async function loadArrow(): Promise<
  (target: ByteTarget, schema: OutputSchema, partition: number, codec: ArrowCodec) => RecordEncoder
> {
  const arrow = await loadFormatPackage('arrow', '@uwdata/flechette', () => import('@uwdata/flechette'))
  arrow.setCompressionCodec(arrow.CompressionType.ZSTD, {
    encode: (bytes) => zstdCompressSync(bytes),
    decode: (bytes) => zstdDecompressSync(bytes),
  })
  return (target, schema, partition, codec) => new ArrowEncoder(arrow, target, schema, partition, codec)
}

/** See the file's header. */
class ArrowEncoder implements RecordEncoder {
  readonly #arrow: Flechette
  readonly #target: ByteTarget
  readonly #codec: ArrowCodec
  readonly #shaper: RowShaper
  readonly #buffers: ColumnBuffers
  #hasSchema = false

  constructor(arrow: Flechette, target: ByteTarget, schema: OutputSchema, partition: number, codec: ArrowCodec) {
    this.#arrow = arrow
    this.#target = target
    this.#codec = codec
    this.#shaper = new RowShaper(schema, partition)
    this.#buffers = new ColumnBuffers(this.#shaper.columns)
  }

  append(record: LogRecord): string | null {
    const reason = this.#shaper.shape(record)
    if (reason !== null) return reason
    this.#buffers.append(this.#shaper.row)
    if (this.#buffers.isFull) this.#writeBatch()
    return null
  }

  finish(): void {
    if (this.#buffers.rowCount > 0 || !this.#hasSchema) this.#writeBatch()
    this.#target.write(END_OF_STREAM)
  }

  #writeBatch(): void {
    const bytes = Buffer.from(this.#encode(this.#table()))
    const end = bytes.length - END_OF_STREAM.length
    invariant(bytes.subarray(end).equals(END_OF_STREAM), 'an Arrow stream ends with its mark')
    // The metadata's length lies behind the continuation mark; a schema message has no body.
    const schemaEnd = MESSAGE_PREFIX_BYTES + bytes.readInt32LE(4)
    this.#target.write(bytes.subarray(this.#hasSchema ? schemaEnd : 0, end))
    this.#hasSchema = true
  }

  #table(): Table {
    const { columns } = this.#buffers
    const cells = this.#buffers.take()
    return this.#arrow.tableFromColumns(
      columns.map((column, index) => [
        column.name,
        this.#arrow.columnFromArray(arrowCells(column, cells[index]!), arrowType(this.#arrow, column.type)),
      ]),
    )
  }

  #encode(table: Table): Uint8Array {
    const codec = this.#codec === 'zstd' ? { codec: this.#arrow.CompressionType.ZSTD } : {}
    const bytes = this.#arrow.tableToIPC(table, { format: 'stream', ...codec })
    invariant(bytes !== null, 'without a sink the bytes come back')
    return bytes
  }
}

function arrowType(arrow: Flechette, type: ColumnType): DataType {
  switch (type) {
    case 'boolean':
      return arrow.bool()
    case 'int32':
      return arrow.int32()
    case 'int64':
      return arrow.int64()
    case 'double':
      return arrow.float64()
    case 'string':
    case 'json':
      return arrow.utf8()
    case 'binary':
      return arrow.binary()
    case 'timestamp':
      return arrow.timestamp(arrow.TimeUnit.MILLISECOND, 'UTC')
  }
}

function arrowCells(column: Column, cells: readonly Cell[]): unknown[] {
  if (column.type === 'string') return cells.map((cell) => (Buffer.isBuffer(cell) ? cell.toString('utf8') : cell))
  if (column.type === 'int64') return cells.map((cell) => (typeof cell === 'number' ? BigInt(cell) : cell))
  return [...cells]
}
