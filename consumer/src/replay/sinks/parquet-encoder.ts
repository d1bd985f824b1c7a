/**
 * A Parquet file by the package hyparquet-writer, a row group at a time, so that memory does not grow with the file.
 *
 * Compression is by zstd unless told otherwise. Integers are INT64, times TIMESTAMP_MILLIS in UTC, `json` columns have
 * Parquet's JSON type, and every column may be null.
 */
import { gzipSync, zstdCompressSync } from 'node:zlib'
import type { LogRecord } from '@stratalog/proto/records'
import type { ParquetWriter } from 'hyparquet-writer'
import type { ByteTarget } from './byte-target.ts'
import { ColumnBuffers } from './column-buffers.ts'
import type { Column, ColumnType, OutputSchema } from './columns.ts'
import { loadFormatPackage } from './format-package.ts'
import type { RecordEncoder } from './record-encoder.ts'
import { type Cell, RowShaper } from './row-shaper.ts'

/** How pages are compressed. */
export type ParquetCodec = 'none' | 'snappy' | 'gzip' | 'zstd'

type SchemaElement = ParquetWriter['schema'][number]
type ParquetModule = typeof import('hyparquet-writer')

const CODECS = { none: 'UNCOMPRESSED', snappy: 'SNAPPY', gzip: 'GZIP', zstd: 'ZSTD' } as const
const COMPRESSORS = {
  GZIP: (bytes: Uint8Array): Uint8Array => gzipSync(bytes),
  ZSTD: (bytes: Uint8Array): Uint8Array => zstdCompressSync(bytes),
}

/** Loads what it needs. Errors: UNSUPPORTED_FORMAT when the optional package is not installed. */
export async function loadParquet(): Promise<
  (target: ByteTarget, schema: OutputSchema, partition: number, codec: ParquetCodec) => RecordEncoder
> {
  const parquet = await loadFormatPackage('parquet', 'hyparquet-writer', () => import('hyparquet-writer'))
  return (target, schema, partition, codec) => new ParquetEncoder(parquet, target, schema, partition, codec)
}

/** See the file's header. */
class ParquetEncoder implements RecordEncoder {
  readonly #shaper: RowShaper
  readonly #buffers: ColumnBuffers
  readonly #writer: ParquetWriter

  constructor(
    parquet: ParquetModule,
    target: ByteTarget,
    schema: OutputSchema,
    partition: number,
    codec: ParquetCodec,
  ) {
    this.#shaper = new RowShaper(schema, partition)
    this.#buffers = new ColumnBuffers(this.#shaper.columns)
    this.#writer = new parquet.ParquetWriter({
      writer: writerInto(parquet, target),
      schema: parquetSchema(this.#shaper.columns),
      codec: CODECS[codec],
      compressors: COMPRESSORS,
      createdBy: 'stratalog replay',
    })
  }

  append(record: LogRecord): string | null {
    const reason = this.#shaper.shape(record)
    if (reason !== null) return reason
    this.#buffers.append(this.#shaper.row)
    if (this.#buffers.isFull) this.#writeRowGroup()
    return null
  }

  finish(): void {
    if (this.#buffers.rowCount > 0) this.#writeRowGroup()
    void this.#writer.finish()
  }

  #writeRowGroup(): void {
    const { rowCount, columns } = this.#buffers
    const cells = this.#buffers.take()
    const columnData = columns.map((column, index) => ({
      name: column.name,
      data: parquetCells(column.type, cells[index]!),
    }))
    // The target is synchronous, so there is no promise to wait for.
    void this.#writer.write({ columnData, rowGroupSize: rowCount })
  }
}

/** The package's growing buffer, emptied into the target after each row group. */
function writerInto(parquet: ParquetModule, target: ByteTarget): ParquetWriter['writer'] {
  const writer = new parquet.ByteWriter(1024 * 1024)
  const flush = (): void => {
    if (writer.index === 0) return
    target.write(writer.getBytes())
    writer.index = 0
  }
  return Object.assign(writer, { flush, finish: flush })
}

function parquetSchema(columns: readonly Column[]): SchemaElement[] {
  return [
    { name: 'root', num_children: columns.length },
    ...columns.map(({ name, type }): SchemaElement => ({ name, repetition_type: 'OPTIONAL', ...PARQUET_TYPES[type] })),
  ]
}

const PARQUET_TYPES: Readonly<Record<ColumnType, Omit<SchemaElement, 'name'>>> = {
  boolean: { type: 'BOOLEAN' },
  int32: { type: 'INT32' },
  int64: { type: 'INT64' },
  double: { type: 'DOUBLE' },
  string: { type: 'BYTE_ARRAY', converted_type: 'UTF8' },
  // By the logical type alone: with the converted type the package would encode the text as JSON once more.
  json: { type: 'BYTE_ARRAY', logical_type: { type: 'JSON' } },
  binary: { type: 'BYTE_ARRAY' },
  timestamp: { type: 'INT64', converted_type: 'TIMESTAMP_MILLIS' },
}

function parquetCells(type: ColumnType, cells: readonly Cell[]): unknown[] {
  if (type === 'json') return cells.map((cell) => (typeof cell === 'string' ? Buffer.from(cell) : null))
  if (type === 'int64') return cells.map((cell) => (typeof cell === 'number' ? BigInt(cell) : cell))
  return [...cells]
}
