/** Opens a source from its description, as a worker thread or another host does. */
import { createClient } from '@stratalog/client'
import { owningClusterSource } from './cluster/cluster-source.ts'
import { folderSource } from './folder/folder-source.ts'
import type { ReplaySource, ReplaySourceSpec } from './source.ts'

/** The source; to be disposed of when it is not needed any more. Nothing is connected or read before it is used. */
export function openReplaySource(spec: ReplaySourceSpec): ReplaySource {
  if (spec.kind === 'folder') return folderSource(spec.dir, { unsafeToLogEnd: spec.unsafeToLogEnd })
  const { kind: _, readFrom, retryTimeoutMs, stallTimeoutMs, ...options } = spec
  return owningClusterSource(createClient(options), { readFrom, retryTimeoutMs, stallTimeoutMs })
}
