/** The Raft groups of a broker by their key: where messages of other brokers find theirs. */
import type { Message, StepResult } from 'raft-ts'

/** What the table needs of a group. */
export interface AddressedGroup {
  readonly key: string
  /** Broker id of its leader; null while none is known. */
  readonly leaderId: number | null
  /** Its term; 0 = no leader ever. */
  readonly leaderEpoch: number
  /** Takes a message of another broker's node. Null when it has to wait for a look at the log first. */
  step(message: Message<Buffer>): StepResult | null
  /** A message to another broker could not be sent. */
  sendFailed(message: Message<Buffer>): void
  /** A broker is gone, as far as this one can see. */
  peerLost(brokerId: number): void
  /** A broker can be reached (again). */
  peerUp(brokerId: number): void
}

/** See the file's header. Owner: the broker; one per process. */
export class RaftGroupTable {
  readonly #groups = new Map<string, AddressedGroup>()
  #droppedCount = 0

  /** Messages for groups that are not here: not opened yet, or gone. */
  get droppedCount(): number {
    return this.#droppedCount
  }

  /** Adds a group, in the place of any other with its key. */
  register(group: AddressedGroup): void {
    this.#groups.set(group.key, group)
  }

  /** Removes a group, unless another has taken its place. */
  unregister(group: AddressedGroup): void {
    if (this.#groups.get(group.key) === group) this.#groups.delete(group.key)
  }

  /** The group with that key. */
  get(key: string): AddressedGroup | undefined {
    return this.#groups.get(key)
  }

  /** Hands a message to its group; Raft sends again what is dropped. */
  step(message: Message<Buffer>): StepResult | null {
    const group = this.#groups.get(String(message.group))
    if (group !== undefined) return group.step(message)
    this.#droppedCount++
    return { kind: 'refused', reason: 'wrong-group', detail: `group ${String(message.group)} is not here` }
  }

  /** A message could not be sent. */
  sendFailed(message: Message<Buffer>): void {
    this.#groups.get(String(message.group))?.sendFailed(message)
  }

  /** A broker is gone: its groups look after themselves again. */
  peerLost(brokerId: number): void {
    for (const group of [...this.#groups.values()]) group.peerLost(brokerId)
  }

  /** A broker is back: groups that it has a copy of look after it. */
  peerUp(brokerId: number): void {
    for (const group of [...this.#groups.values()]) group.peerUp(brokerId)
  }

  /** All groups. */
  all(): Iterable<AddressedGroup> {
    return this.#groups.values()
  }
}
