/** Values by partition, gathered by topic so that all of a topic is found, and let go, at once. */

/** A map from (topic id, partition). Owner: whoever made it. */
export class PartitionMap<Value> {
  readonly #topics = new Map<string, Map<number, Value>>()
  #size = 0

  /** Partitions that have a value. */
  get size(): number {
    return this.#size
  }

  /** Ids of the topics that have any. */
  topicIds(): Iterable<string> {
    return this.#topics.keys()
  }

  hasTopic(topicId: string): boolean {
    return this.#topics.has(topicId)
  }

  get(topicId: string, partition: number): Value | undefined {
    return this.#topics.get(topicId)?.get(partition)
  }

  set(topicId: string, partition: number, value: Value): void {
    let partitions = this.#topics.get(topicId)
    if (partitions === undefined) {
      partitions = new Map()
      this.#topics.set(topicId, partitions)
    }
    const before = partitions.size
    partitions.set(partition, value)
    this.#size += partitions.size - before
  }

  delete(topicId: string, partition: number): void {
    const partitions = this.#topics.get(topicId)
    if (partitions?.delete(partition) !== true) return
    this.#size--
    if (partitions.size === 0) this.#topics.delete(topicId)
  }

  /** Of one topic. */
  *ofTopic(topicId: string): Generator<readonly [number, Value]> {
    yield* this.#topics.get(topicId) ?? []
  }

  *[Symbol.iterator](): Generator<readonly [string, number, Value]> {
    for (const [topicId, partitions] of this.#topics) {
      for (const [partition, value] of partitions) yield [topicId, partition, value]
    }
  }
}
