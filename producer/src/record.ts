/** What users send. */
import type { RecordBytes, RecordHeaderInput } from '@stratalog/proto/records'
import type { Bytes } from './serde.ts'

/** Headers, as an object or, where order or repeated keys matter, as a list. */
export type RecordHeaders = readonly RecordHeaderInput[] | Readonly<Record<string, RecordBytes>>

/** A record to be sent. */
export interface ProducerRecord<K = Bytes, V = Bytes> {
  readonly topic: string
  /** Default null: no key. */
  readonly key?: K | null | undefined
  /** null is a tombstone in a compacted topic. */
  readonly value: V | null
  readonly headers?: RecordHeaders | undefined
  /** Default: by key, sticky without one, or as the `partitioner` says. */
  readonly partition?: number | undefined
  /** ms since 1970; default: now. A topic may be set to take the broker's clock instead. */
  readonly timestamp?: number | undefined
}

/** Headers as the codec takes them. */
export function headerList(headers: RecordHeaders | undefined): readonly RecordHeaderInput[] | undefined {
  if (headers === undefined || isList(headers)) return headers
  return Object.entries(headers).map(([key, value]) => ({ key, value }))
}

function isList(headers: RecordHeaders): headers is readonly RecordHeaderInput[] {
  return Array.isArray(headers)
}
