/**
 * Decides the columns of an output before its first file is written: as asked, or by looking at records from the beginnings
 * of many splits.
 */
import { isUtf8 } from 'node:buffer'
import type { ReplayManifest, ReplaySplit } from '../manifest.ts'
import type { ReplayFilter } from '../read-options.ts'
import { readSplit } from '../read-split.ts'
import { type ColumnsMode, checkSchema, type OutputSchema } from '../sinks/columns.ts'
import { COMPRESSIONS, checkForm, type FileForm } from '../sinks/file-format.ts'
import { parseJsonExact } from '../sinks/json-value.ts'
import { SchemaInference } from '../sinks/schema-inference.ts'
import type { FormOptions } from '../sinks/sink.ts'
import type { ReplaySource } from '../source.ts'

const SPLITS_MAX = 64
const RECORDS_MAX = 16_384
const PREFETCH_BYTES = 256 * 1024

/** What the sample is read with. */
export interface SampleOptions {
  readonly filter: ReplayFilter | undefined
  readonly skipCorrupt: boolean
  readonly onDeleted: 'fail' | 'skip'
  readonly signal: AbortSignal
}

/** What some records look like. */
interface Sample {
  readonly inference: SchemaInference
  readonly allUtf8: boolean
}

/** The form of an output. Errors: UNSUPPORTED_FORMAT, INVALID_CONFIG, and whatever reading the sample meets. */
export async function resolveForm(
  asked: FormOptions,
  source: ReplaySource,
  manifest: ReplayManifest,
  options: SampleOptions,
): Promise<FileForm> {
  const { format, place = true, fields } = asked
  const compression = asked.compression ?? COMPRESSIONS[format]?.[0] ?? 'none'
  const wanted = asked.columns ?? (fields === undefined ? 'auto' : 'json')
  checkForm(format, compression, wanted === 'auto' ? 'text' : wanted)
  const form = (mode: ColumnsMode, columns: OutputSchema['fields'] = []): FileForm => {
    const schema: OutputSchema = { mode, fields: columns, place: mode === 'json' ? place : true }
    // In NDJSON the value stands as it is: it needs no columns.
    return { format, compression, schema: format === 'ndjson' ? schema : checkSchema(schema) }
  }
  if (format === 'ndjson') return form(wanted === 'auto' ? 'text' : wanted)
  if (wanted === 'raw' || wanted === 'text') return form(wanted)
  if (fields !== undefined) return form('json', fields)
  const { inference, allUtf8 } = await takeSample(source, manifest, options)
  const isJson = inference.objectCount > 0 && inference.otherCount === 0
  if (wanted === 'json' || isJson) return form('json', inference.fields())
  return form(allUtf8 ? 'text' : 'raw')
}

async function takeSample(source: ReplaySource, manifest: ReplayManifest, options: SampleOptions): Promise<Sample> {
  const splits = spread(manifest.splits)
  const perSplitMax = Math.ceil(RECORDS_MAX / Math.max(splits.length, 1))
  const inference = new SchemaInference()
  let allUtf8 = true
  for (const split of splits) {
    let left = perSplitMax
    for await (const batch of readSplit(source, split, { ...options, prefetchBytes: PREFETCH_BYTES })) {
      for (const { key, value } of batch) {
        if (left-- === 0) break
        allUtf8 &&= (key === null || isUtf8(key)) && (value === null || isUtf8(value))
        // Tombstones say nothing of the values.
        if (value !== null) inference.add(jsonOf(value))
      }
      if (left <= 0) break
    }
  }
  return { inference, allUtf8 }
}

/** Some splits, evenly over all. */
function spread(splits: readonly ReplaySplit[]): readonly ReplaySplit[] {
  if (splits.length <= SPLITS_MAX) return splits
  return Array.from({ length: SPLITS_MAX }, (_, index) => splits[Math.floor((index * splits.length) / SPLITS_MAX)]!)
}

function jsonOf(value: Buffer): unknown {
  if (!isUtf8(value)) return undefined
  try {
    return parseJsonExact(value.toString('utf8'))
  } catch {
    return undefined
  }
}
