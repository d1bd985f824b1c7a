/**
 * Writes checkpoints: all live records anew, so that what lies before them in the log can be trimmed.
 *
 * Group by group, each as it is when its turn comes, while requests go on: what changes between the two marks is in the log
 * behind the first one anyway, so the records from there on give the whole state (fold-position.ts). The next groups are
 * written once those before them are committed, so that requests do not wait for long.
 * Owner: the led shard, for one term; a checkpoint that is cut short by its end counts for nothing.
 */
import type { Clock } from '../replication/tick-loop.ts'
import type { CoordinatorLog } from './coordinator-log.ts'
import type { FoldPosition } from './fold-position.ts'
import type { CoordinatorRecord } from './group/group-records.ts'
import type { GroupShard } from './group/group-shard.ts'

/** What a writer is made of. */
export interface CheckpointWriterOptions {
  readonly shard: GroupShard
  readonly log: CoordinatorLog
  readonly clock: Clock
  /** Appends; resolves when it is committed. Rejects when the term is over. */
  readonly append: (records: readonly CoordinatorRecord[]) => Promise<void>
  /** Bytes of log since the last checkpoint that call for the next one, at least. */
  readonly bytesMin: number
}

/** As many times the live state the log may grow to. */
const GROWTH_MAX = 4
/** Records of a group count as so large, roughly; chunks are closed by count. */
const CHUNK_RECORDS_MAX = 2000

/** See the file's header. */
export class CheckpointWriter {
  readonly #options: CheckpointWriterOptions
  /** What must be folded before the next one is thought of; null while one is being written. */
  #writtenEnd: number | null = 0
  #lastId = 0

  constructor(options: CheckpointWriterOptions) {
    this.#options = options
  }

  /** Begins one when the log has grown enough. @param position of this replica's fold. */
  maybeBegin({ foldedEnd, bytesSinceCheckpoint }: FoldPosition): boolean {
    const { shard, bytesMin } = this.#options
    if (this.#writtenEnd === null || foldedEnd < this.#writtenEnd) return false
    if (bytesSinceCheckpoint <= Math.max(bytesMin, GROWTH_MAX * shard.stateBytes)) return false
    this.#writtenEnd = null
    // A term that is over ends it; the next leader begins another.
    this.#write().catch(() => undefined)
    return true
  }

  async #write(): Promise<void> {
    const { shard, append, clock, log } = this.#options
    const checkpointId = Math.max(this.#lastId + 1, clock.nowMs())
    this.#lastId = checkpointId
    let chunk: CoordinatorRecord[] = [{ type: 'checkpoint-begin', checkpointId }]
    for (const groupId of shard.groupIds()) {
      chunk.push(...shard.recordsOf(groupId))
      if (chunk.length < CHUNK_RECORDS_MAX) continue
      await append(chunk)
      chunk = []
    }
    await append([...chunk, { type: 'checkpoint-end', checkpointId }])
    this.#writtenEnd = log.logEndOffset
  }
}
