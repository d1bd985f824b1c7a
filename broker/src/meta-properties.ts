/**
 * `meta.properties`: who a data folder belongs to, as `key=value` lines.
 *
 * Written at the first start; only a cluster id that was not known then is filled in later. The directory id names this copy of the data: a disk that was
 * wiped and filled again has another, so that it is never taken for the voter that it was (Kafka KIP-853).
 */
import { randomUUID } from 'node:crypto'

/** Layout of the data folder that this release reads and writes. */
export const DATA_FORMAT_VERSION = 1

/** Name of the file in the data folder. */
export const META_PROPERTIES_FILE = 'meta.properties'

/** The file's contents. */
export interface MetaProperties {
  /** Layout of the folder, 1 or more. */
  readonly version: number
  /** Null until the broker has founded a cluster with others, or joined one. */
  readonly clusterId: string | null
  readonly brokerId: number
  readonly directoryId: string
}

/** Properties of a folder used for the first time. */
export function newMetaProperties(brokerId: number, clusterId: string | null): MetaProperties {
  return { version: DATA_FORMAT_VERSION, clusterId, brokerId, directoryId: randomUUID() }
}

/** The file's text. */
export function renderMetaProperties(properties: MetaProperties): string {
  return [
    '# Written by Stratalog; do not edit.',
    `version=${properties.version}`,
    `cluster.id=${properties.clusterId ?? ''}`,
    `broker.id=${properties.brokerId}`,
    `directory.id=${properties.directoryId}`,
    '',
  ].join('\n')
}

/** Reads the text back; `null` when it is not such a file. Keys of newer releases are ignored. */
export function parseMetaProperties(text: string): MetaProperties | null {
  const values = new Map<string, string>()
  for (const line of text.split('\n')) {
    const [, key, value] = /^([a-z.]+)=(.*)$/.exec(line.trim()) ?? []
    if (key !== undefined && value !== undefined) values.set(key, value)
  }
  const version = Number(values.get('version'))
  const brokerId = Number(values.get('broker.id'))
  const clusterId = values.get('cluster.id') ?? ''
  const directoryId = values.get('directory.id') ?? ''
  if (!Number.isSafeInteger(version) || version < 1 || !Number.isSafeInteger(brokerId) || brokerId < 0) return null
  if (directoryId === '') return null
  return { version, clusterId: clusterId === '' ? null : clusterId, brokerId, directoryId }
}
