/** The compression codecs by name and by the number in bits 0-2 of a batch's attributes. */
import { StratalogError } from '../stratalog-error.ts'

/** Codec numbers as they stand in the attributes. Source: Kafka CompressionType. */
export const Compression = { none: 0, gzip: 1, snappy: 2, lz4: 3, zstd: 4 } as const
/** The name of a codec, as configuration and APIs spell it. */
export type CompressionName = keyof typeof Compression

const NAMES: readonly CompressionName[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd']

/** A codec number that no version of the format defines (5, 6 or 7). */
export class UnsupportedCompressionError extends StratalogError {
  override readonly name = 'UnsupportedCompressionError'
  /** The number found in the attributes. */
  readonly codecId: number

  constructor(codecId: number) {
    super(
      'UNSUPPORTED_COMPRESSION_TYPE',
      `unknown compression codec ${codecId}; known are 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd`,
    )
    this.codecId = codecId
  }
}

/** The codec of a number in 0..7. Throws UnsupportedCompressionError for 5..7. */
export function codecName(codecId: number): CompressionName {
  const name = NAMES[codecId]
  if (name === undefined) throw new UnsupportedCompressionError(codecId)
  return name
}
