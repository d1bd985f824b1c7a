/**
 * One node of an interaction script: the core with its storage, driven the way etcd's harness drives its RawNode, either
 * synchronously (a Ready is stored and applied at once) or with separate append and apply work.
 */
import type { ConfState } from '../../core/conf-change.ts'
import { applyConfChange } from '../../core/configuration.ts'
import type { Entry } from '../../core/entry.ts'
import type { Position } from '../../core/ids.ts'
import { type RaftOptions, resolveOptions } from '../../core/options.ts'
import type { Raft } from '../../core/raft.ts'
import type { PersistRequest, Ready } from '../../core/ready.ts'
import { ReadyBuilder } from '../../core/ready-builder.ts'
import { startRaft } from '../../core/start.ts'
import type { Snapshot } from '../../core/storage.ts'
import { MemoryStorage } from '../../memory-storage.ts'

/** Storage whose newest snapshot is always the state machine's present state, as in etcd's harness. */
class ScriptStorage extends MemoryStorage<string> {
  history: Snapshot[] = []

  override snapshot(): Snapshot {
    return this.history[this.history.length - 1]!
  }

  override restore(snapshot: Snapshot): void {
    super.restore(snapshot)
    if (this.history.length > 0) this.history.push(snapshot)
  }
}

/** A node with the state machine "append every payload to a string". */
export class ScriptNode {
  readonly id: number
  readonly async: boolean
  readonly raft: Raft<string>
  readonly builder: ReadyBuilder<string>
  readonly storage: ScriptStorage
  readonly appendWork: PersistRequest<string>[] = []
  readonly applyWork: (readonly Entry<string>[])[] = []
  /** What was printed last, to tell what changed. */
  shown: { role: string; leaderId: number | null; term: number; vote: number | null }

  constructor(
    options: Omit<RaftOptions<string>, 'storage'>,
    async: boolean,
    confState: ConfState,
    index: Position,
    content: string,
  ) {
    this.id = options.id
    this.async = async
    this.storage = new ScriptStorage()
    const snapshot: Snapshot = {
      position: index,
      term: index === 0 ? 0 : 1,
      confState,
      confPosition: index,
      data: content,
    }
    if (index > 0) this.storage.restore(snapshot)
    this.storage.history.push(snapshot)
    this.raft = startRaft(resolveOptions({ ...options, storage: this.storage, applyBeforePersisted: !async }))
    this.builder = new ReadyBuilder(this.raft)
    this.shown = { role: 'follower', leaderId: null, term: this.raft.term, vote: null }
  }

  /** Applies entries to the state machine, and changes of membership to the node. */
  apply(entries: readonly Entry<string>[]): void {
    for (const entry of entries) {
      const last = this.storage.history[this.storage.history.length - 1]!
      if (entry.change !== null) applyConfChange(this.raft, entry.change, entry.end)
      const confState = entry.change === null ? last.confState : this.raft.confState
      const data = `${last.data}${entry.data ?? ''}`
      const confPosition = entry.change === null ? last.confPosition : entry.end
      this.storage.history.push({ position: entry.end, term: entry.term, confState, confPosition, data })
    }
  }

  /** Storage part of a persist request. */
  write(request: PersistRequest<string>): void {
    this.storage.write(request)
  }

  takeReady(): Ready<string> {
    return this.builder.ready()
  }
}
