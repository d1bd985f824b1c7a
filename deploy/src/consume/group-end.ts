/**
 * When a member that does not follow is done: everything that it was given is read up to where it ended when it was
 * given, and the group has nothing more for it.
 *
 * A partition that comes later is read too, and one that goes is not waited for. Owner: the run; `close` ends it.
 */
import type { AdminClient } from '@stratalog/client'
import type { AssignedPartition, GroupSubscription } from '@stratalog/consumer'
import type { TopicPartition } from '@stratalog/proto'

const INTERVAL_MS = 100

/** See the file's header. */
export class GroupEnd {
  readonly #admin: AdminClient
  readonly #onReached: () => void
  /** Visible ends by partition, as of its assignment. */
  readonly #ends = new Map<string, number>()
  #subscription: GroupSubscription | null = null
  #timer: NodeJS.Timeout | null = null
  #isAsking = false

  /** @param onReached called once. */
  constructor(admin: AdminClient, onReached: () => void) {
    this.#admin = admin
    this.#onReached = onReached
  }

  /** For `onAssigned`: notes where the partitions end. Errors: what their leaders say. */
  async note(places: readonly TopicPartition[]): Promise<void> {
    const queries = places.map(({ topic, partition }) => ({ topic, partition, position: 'latest' as const }))
    for (const { topic, partition, error, visibleEnd } of await this.#admin.listOffsets(queries)) {
      if (error !== null) throw error
      this.#ends.set(keyOf({ topic, partition }), visibleEnd)
    }
  }

  /** Begins to look. */
  watch(subscription: GroupSubscription): void {
    this.#subscription = subscription
    this.#timer = setInterval(() => void this.#look(subscription), INTERVAL_MS)
  }

  /** Looks now: something was read. */
  look(): void {
    if (this.#subscription !== null) void this.#look(this.#subscription)
  }

  /** Looks no more. */
  close(): void {
    if (this.#timer !== null) clearInterval(this.#timer)
    this.#timer = null
  }

  async #look(subscription: GroupSubscription): Promise<void> {
    if (this.#timer === null || this.#isAsking || !this.#isRead(subscription.assignment)) return
    this.#isAsking = true
    try {
      const { members } = await this.#admin.describeGroup(subscription.group)
      const own = members.find(({ memberId }) => memberId === subscription.memberId)
      const isWhole = own !== undefined && own.target.length === own.assigned.length && own.revoking.length === 0
      const { assignment } = subscription
      if (this.#timer === null || !isWhole || own.target.length !== assignment.length || !this.#isRead(assignment))
        return
      this.close()
      this.#onReached()
    } catch {
      // The coordinator is away for the moment: the next look asks again, and the subscription tells if it stays so.
    } finally {
      this.#isAsking = false
    }
  }

  #isRead(assignment: readonly AssignedPartition[]): boolean {
    return assignment.every((place) => place.position >= (this.#ends.get(keyOf(place)) ?? Number.POSITIVE_INFINITY))
  }
}

function keyOf({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`
}
