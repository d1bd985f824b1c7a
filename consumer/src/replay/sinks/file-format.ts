/** The forms of a file: which formats there are, with which compression, under which name, and who encodes them. */
import { StratalogError } from '@stratalog/proto'
import { loadArrow } from './arrow-encoder.ts'
import type { ByteTarget } from './byte-target.ts'
import type { ColumnsMode, OutputSchema } from './columns.ts'
import { CsvEncoder } from './csv-encoder.ts'
import { NdjsonEncoder } from './ndjson-encoder.ts'
import { loadParquet } from './parquet-encoder.ts'
import type { RecordEncoder } from './record-encoder.ts'
import type { TextCompression } from './stream-compressor.ts'

/** Formats of files. */
export type FileFormat = 'ndjson' | 'csv' | 'parquet' | 'arrow'
/** Compression; which of them a format has, `COMPRESSIONS` says. */
export type FileCompression = 'none' | 'gzip' | 'zstd' | 'snappy'

/** What each format can be compressed with; the first is its default. */
export const COMPRESSIONS: Readonly<Record<FileFormat, readonly FileCompression[]>> = {
  ndjson: ['none', 'gzip', 'zstd'],
  csv: ['none', 'gzip', 'zstd'],
  parquet: ['zstd', 'none', 'snappy', 'gzip'],
  arrow: ['none', 'zstd'],
}

/** Columns that each format can have; the first is its default where values are not looked at. */
export const COLUMN_MODES: Readonly<Record<FileFormat, readonly ColumnsMode[]>> = {
  ndjson: ['text', 'json'],
  csv: ['text', 'json', 'raw'],
  parquet: ['raw', 'text', 'json'],
  arrow: ['raw', 'text', 'json'],
}

/** A form of output, checked. Plain JSON: it is part of the checkpoint. */
export interface FileForm {
  readonly format: FileFormat
  readonly compression: FileCompression
  readonly schema: OutputSchema
}

/** Makes the encoder of one split. `withHeader` is false where the split goes on a stream that has begun. */
export type EncoderFactory = (
  target: ByteTarget,
  place: { readonly topic: string; readonly partition: number },
  withHeader: boolean,
) => RecordEncoder

/** Checks that they go together. Errors: UNSUPPORTED_FORMAT naming what does. */
export function checkForm(format: FileFormat, compression: FileCompression, mode: ColumnsMode): void {
  if (!Object.hasOwn(COMPRESSIONS, format)) {
    throw unsupported(`${String(format)} is no format`, `Use one of ${Object.keys(COMPRESSIONS).join(', ')}.`)
  }
  if (!COMPRESSIONS[format].includes(compression)) {
    const known = COMPRESSIONS[format].join(', ')
    throw unsupported(`${format} cannot be compressed with ${compression}`, `Use one of ${known}.`)
  }
  if (!COLUMN_MODES[format].includes(mode)) {
    const known = COLUMN_MODES[format].join(', ')
    throw unsupported(`${format} has no columns of the kind ${mode}`, `Use one of ${known}.`)
  }
}

/** Ending of a file of this form, with the dot. */
export function endingOf({ format, compression }: FileForm): string {
  if (format === 'parquet') return '.parquet'
  if (format === 'arrow') return '.arrows'
  const compressed = compression === 'gzip' ? '.gz' : compression === 'zstd' ? '.zst' : ''
  return `.${format}${compressed}`
}

/** How the text of a file is compressed, or null: the binary formats compress by themselves. */
export function textCompressionOf({ format, compression }: FileForm): TextCompression | null {
  const isText = format === 'ndjson' || format === 'csv'
  return isText && (compression === 'gzip' || compression === 'zstd') ? compression : null
}

/** Loads what a form needs; compression of text is the target's. Errors: UNSUPPORTED_FORMAT when its package is not installed. */
export async function encoderFactory(form: FileForm): Promise<EncoderFactory> {
  const { format, compression, schema } = form
  if (format === 'parquet') {
    const make = await loadParquet()
    return (target, { partition }) => make(target, schema, partition, compression)
  }
  if (format === 'arrow') {
    const make = await loadArrow()
    const codec = compression === 'zstd' ? 'zstd' : 'none'
    return (target, { partition }) => make(target, schema, partition, codec)
  }
  return format === 'csv'
    ? (target, { partition }, withHeader) => new CsvEncoder(target, schema, partition, withHeader)
    : (target, place) => new NdjsonEncoder(target, place, schema.mode === 'json')
}

function unsupported(message: string, hint: string): StratalogError {
  return new StratalogError('UNSUPPORTED_FORMAT', message, { hint })
}
