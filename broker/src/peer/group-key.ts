/**
 * Names of Raft groups on the wire: `raft/<topic id>-<partition>`, as 16 bytes and a number.
 *
 * Messages of a turn mostly come topic by topic, so a topic id is sent once for a run of messages.
 */
import { invariant } from '@stratalog/proto'
import type { GroupId } from 'raft-ts'

const PREFIX = 'raft/'
const TOPIC_ID_BYTES = 16
const TOPIC_ID_END = PREFIX.length + 2 * TOPIC_ID_BYTES
/** Partitions are int32 >= 0. */
const PARTITION_MAX = 0x7fff_ffff

/** What a message says of its group; `topicId` is left out when it is that of the message before. */
export interface GroupFields {
  readonly topicId?: Uint8Array
  readonly partition: number
}

/** Takes group keys apart, one after another. One for each frame. */
export class GroupKeyWriter {
  #topicId = ''

  /** @param group as `groupKey` makes it; anything else is a broken invariant. */
  write(group: GroupId): GroupFields {
    invariant(typeof group === 'string' && group.startsWith(PREFIX), () => `group ${group} is not a partition's`)
    const topicId = group.slice(PREFIX.length, TOPIC_ID_END)
    const partition = Number(group.slice(TOPIC_ID_END + 1))
    invariant(
      group[TOPIC_ID_END] === '-' && isPartition(partition),
      () => `group ${group} is not raft/<32 hex digits>-<partition>`,
    )
    if (topicId === this.#topicId) return { partition }
    const bytes = Buffer.from(topicId, 'hex')
    invariant(bytes.length === TOPIC_ID_BYTES, () => `topic id ${topicId} is not 32 hex digits`)
    this.#topicId = topicId
    return { topicId: bytes, partition }
  }
}

/** Puts group keys together again. One for each frame. */
export class GroupKeyReader {
  #prefix: string | null = null

  /** @returns null when the fields name no group. */
  read(topicId: Uint8Array, partition: number): string | null {
    if (topicId.length !== 0) {
      if (topicId.length !== TOPIC_ID_BYTES) return null
      const { buffer, byteOffset, byteLength } = topicId
      this.#prefix = `${PREFIX}${Buffer.from(buffer, byteOffset, byteLength).toString('hex')}-`
    }
    return this.#prefix === null || !isPartition(partition) ? null : this.#prefix + partition
  }
}

function isPartition(value: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= PARTITION_MAX
}
