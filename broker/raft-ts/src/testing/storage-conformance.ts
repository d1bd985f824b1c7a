/**
 * The conformance suite for a RaftStorage: what the core relies on, as named checks that any test runner can run.
 *
 * A storage is tried through a {@link StorageDriver}, which also knows how to write to it and how to restart it. Checks
 * use only entries that a Raft core would write.
 */
import { type ConfState, confStateOf } from '../core/conf-change.ts'
import type { Entry } from '../core/entry.ts'
import { entrySizeBytes } from '../core/entry.ts'
import type { Position, Term } from '../core/ids.ts'
import type { PersistRequest } from '../core/ready.ts'
import type { HardState, RaftStorage, Snapshot } from '../core/storage.ts'

/** One storage under test. */
export interface StorageDriver<D> {
  readonly storage: RaftStorage<D>
  /** Applies a persist request; resolved once it is durable. */
  write(request: PersistRequest<D>): Promise<void> | void
  /** Drops the log below a boundary; `null` for a storage that never does. */
  compactTo: ((position: Position) => Promise<void> | void) | null
  /** Remembers the configuration in force after the config entry that ends at `end`; left out where members never change. */
  saveConfState?(confState: ConfState, end: Position): Promise<void> | void
  /** The same storage after a restart of its process: everything written must be there. */
  reopen(): Promise<StorageDriver<D>> | StorageDriver<D>
  close(): Promise<void> | void
}

/** Makes storages and payloads for the suite. */
export interface StorageHarness<D> {
  /** A new, empty log that begins at 0, with voters 1, 2 and 3. */
  create(): Promise<StorageDriver<D>> | StorageDriver<D>
  /** A payload for offsets [base, end) of about `bytes` bytes, the same for the same arguments. */
  payload(base: Position, end: Position, term: Term, bytes: number): D
  /** Size of a payload as the storage counts it, in bytes. Default: as many as were asked for. */
  sizeOf?(payload: D): number
  /** Whether two payloads are the same. */
  equal(a: D, b: D): boolean
  /** Whether the storage takes snapshots with state (`data` other than null). Default true. */
  readonly snapshots?: boolean
}

/** One check; rejects with an Error that says what was seen. */
export interface StorageCheck {
  readonly name: string
  run(): Promise<void>
}

/** Every check, for a loop over a test runner: `for (const c of storageConformance(h)) test(c.name, c.run)`. */
export function storageConformance<D>(harness: StorageHarness<D>): StorageCheck[] {
  const check = (name: string, body: (log: Trial<D>) => Promise<void>): StorageCheck => ({
    name,
    run: async () => {
      const log = new Trial(harness, await harness.create())
      try {
        await body(log)
      } finally {
        await log.close()
      }
    },
  })
  return [
    check('an empty log begins and ends at 0, term 0', emptyLog),
    check('appended entries are read back as they were, spans and all', readBack),
    check('terms are known at every position, within spans too', terms),
    check('boundaries round down, to the next one or, with only some of them known, to any', boundaries),
    check('a read stops at maxBytes but never returns nothing', limits),
    check('truncation and append in one request replace the tail', replaceTail),
    check('hard state survives a restart, and so does the log', restart),
    check('the configuration in force survives a restart, with its place in the log', configuration),
    check('replaced entries stay replaced after a restart', restartAfterReplace),
    check('below a compacted start everything is compacted, but for the term at it', compaction),
    check('a start-position hand-over empties the log and begins it there', handOver),
    check('appending goes on after a hand-over and a restart', appendAfterHandOver),
    check('a snapshot with state comes back', snapshotState),
  ]
}

class Trial<D> {
  driver: StorageDriver<D>
  readonly harness: StorageHarness<D>

  constructor(harness: StorageHarness<D>, driver: StorageDriver<D>) {
    this.harness = harness
    this.driver = driver
  }

  get storage(): RaftStorage<D> {
    return this.driver.storage
  }

  async close(): Promise<void> {
    await this.driver.close()
  }

  async reopen(): Promise<void> {
    this.driver = await this.driver.reopen()
  }

  entry(base: Position, end: Position, term: Term, bytes = 10): Entry<D> {
    const data = this.harness.payload(base, end, term, bytes)
    const { harness } = this
    return { base, end, term, kind: 'data', bytes: harness.sizeOf?.(data) ?? bytes, data, change: null }
  }

  async append(...entries: Entry<D>[]): Promise<void> {
    await this.write({ entries })
  }

  async write(parts: {
    entries?: Entry<D>[]
    truncateTo?: Position
    hardState?: HardState
    snapshot?: Snapshot
  }): Promise<void> {
    const entries = parts.entries ?? []
    const last = entries[entries.length - 1]
    await this.driver.write({
      hardState: parts.hardState ?? null,
      truncateTo: parts.truncateTo ?? null,
      entries,
      snapshot: parts.snapshot ?? null,
      mustSync: true,
      attestation: { nodeTerm: 9, end: last?.end ?? 0, term: last?.term ?? 0 },
      responses: [],
    })
  }

  /** Reads a range, waiting for it to be loaded. */
  async read(from: Position, to: Position, maxBytes = 1 << 30): Promise<readonly Entry<D>[]> {
    for (let attempt = 0; attempt < 1000; attempt++) {
      const found = this.storage.entries(from, to, maxBytes)
      if (found === 'compacted') throw new Error(`entries ${from}..${to} are compacted`)
      if (found !== 'pending') return found
      await Promise.resolve()
      await new Promise<void>((resolve) => setTimeout(resolve, 1))
    }
    throw new Error(`entries ${from}..${to} stay pending`)
  }

  async expectLog(...expected: Entry<D>[]): Promise<void> {
    const from = this.storage.startPosition()
    const to = this.storage.endPosition()
    const found: Entry<D>[] = []
    let at = from
    while (at < to) {
      const page = await this.read(at, to)
      for (const entry of page) found.push(entry)
      at = found[found.length - 1]?.end ?? to
    }
    const show = (entries: readonly Entry<D>[]): string =>
      entries.map((entry) => `[${entry.base},${entry.end})@${entry.term}`).join(' ')
    expect(show(found) === show(expected), `expected ${show(expected)}, found ${show(found)}`)
    for (let i = 0; i < found.length; i++) this.#expectSame(found[i]!, expected[i]!)
  }

  #expectSame(found: Entry<D>, expected: Entry<D>): void {
    expect(found.kind === expected.kind, `entry at ${found.base} is ${found.kind}, not ${expected.kind}`)
    expect(found.bytes === expected.bytes, `entry at ${found.base} has ${found.bytes} bytes, not ${expected.bytes}`)
    // A storage may give Raft's own entries the bytes that they have in its log.
    if (expected.data === null) expect(found.data === null || found.kind !== 'data', `entry at ${found.base} has data`)
    else
      expect(found.data !== null && this.harness.equal(found.data, expected.data), `payload at ${found.base} differs`)
  }
}

function expect(condition: boolean, detail: string): asserts condition {
  if (!condition) throw new Error(detail)
}

function expectEqual(found: unknown, expected: unknown, what: string): void {
  expect(found === expected, `${what} is ${String(found)}, not ${String(expected)}`)
}

async function emptyLog<D>(log: Trial<D>): Promise<void> {
  expectEqual(log.storage.startPosition(), 0, 'start')
  expectEqual(log.storage.endPosition(), 0, 'end')
  expectEqual(log.storage.termAt(0), 0, 'term at 0')
  expectEqual(log.storage.termAt(1), 'unavailable', 'term past the end')
  expectEqual(log.storage.boundaryAtOrBelow(0), 0, 'boundary')
  expectEqual(log.storage.initialState().hardState, null, 'hard state')
}

async function readBack<D>(log: Trial<D>): Promise<void> {
  const leader: Entry<D> = { base: 0, end: 1, term: 1, kind: 'leader', bytes: 0, data: null, change: null }
  const entries = [leader, log.entry(1, 4, 1), log.entry(4, 5, 1, 1000), log.entry(5, 100, 2)]
  await log.append(...entries.slice(0, 2))
  await log.append(...entries.slice(2))
  expectEqual(log.storage.endPosition(), 100, 'end')
  await log.expectLog(...entries)
  const part = await log.read(1, 5)
  expectEqual(part.length, 2, 'entries of [1, 5)')
}

async function terms<D>(log: Trial<D>): Promise<void> {
  await log.append(log.entry(0, 3, 1), log.entry(3, 7, 1), log.entry(7, 9, 4))
  const expected = [
    [1, 1],
    [2, 1],
    [3, 1],
    [4, 1],
    [7, 1],
    [8, 4],
    [9, 4],
  ] as const
  for (const [position, term] of expected) expectEqual(log.storage.termAt(position), term, `term at ${position}`)
  expectEqual(log.storage.termAt(10), 'unavailable', 'term past the end')
}

async function boundaries<D>(log: Trial<D>): Promise<void> {
  await log.append(log.entry(0, 3, 1), log.entry(3, 4, 1), log.entry(4, 9, 2))
  const expected = [
    [0, 0],
    [1, 0],
    [2, 0],
    [3, 3],
    [4, 4],
    [5, 4],
    [8, 4],
    [9, 9],
  ] as const
  for (const [position, boundary] of expected) {
    const found = log.storage.boundaryAtOrBelow(position)
    const isBoundary = expected.some(([, each]) => each === found)
    const lower = log.storage.boundaries === 'some' && isBoundary && found < boundary && position < 9
    expect(lower || found === boundary, `boundary at or below ${position} is ${found}, not ${boundary}`)
  }
}

async function limits<D>(log: Trial<D>): Promise<void> {
  const entries = [log.entry(0, 1, 1, 100), log.entry(1, 2, 1, 100), log.entry(2, 3, 1, 100)]
  await log.append(...entries)
  expectEqual((await log.read(0, 3, 0)).length, 1, 'entries within 0 bytes')
  const { length } = await log.read(0, 3, entrySizeBytes(entries[0]!) * 2)
  // Fewer than would fit are an answer, too: those that are in memory.
  expect(length === 1 || length === 2, `entries within the size of two are ${length}`)
  await log.expectLog(...entries)
}

async function replaceTail<D>(log: Trial<D>): Promise<void> {
  const kept = log.entry(0, 3, 1)
  await log.append(kept, log.entry(3, 6, 1), log.entry(6, 8, 1))
  const replacement = [log.entry(3, 4, 2), log.entry(4, 5, 2)]
  await log.write({ truncateTo: 3, entries: replacement })
  expectEqual(log.storage.endPosition(), 5, 'end')
  expectEqual(log.storage.termAt(4), 2, 'term at 4')
  expectEqual(log.storage.termAt(8), 'unavailable', 'term past the new end')
  await log.expectLog(kept, ...replacement)
}

async function restart<D>(log: Trial<D>): Promise<void> {
  const entries = [log.entry(0, 2, 1), log.entry(2, 3, 3)]
  await log.write({ hardState: { term: 3, vote: 1, commit: 2 }, entries })
  await log.reopen()
  const { hardState } = log.storage.initialState()
  expect(hardState !== null, 'hard state is gone')
  expectEqual(hardState.term, 3, 'term')
  expectEqual(hardState.vote, 1, 'vote')
  expect(hardState.commit <= 3, `commit ${hardState.commit} is past the end`)
  await log.expectLog(...entries)
}

async function configuration<D>(log: Trial<D>): Promise<void> {
  if (log.driver.saveConfState === undefined) return
  await log.write({ hardState: { term: 1, vote: 1, commit: 3 }, entries: [log.entry(0, 3, 1), log.entry(3, 5, 1)] })
  const joint: ConfState = { ...confStateOf([1, 2, 4], [5]), votersOutgoing: [1, 2, 3], autoLeave: true }
  await log.driver.saveConfState(joint, 3)
  await log.reopen()
  const { confState, confPosition } = log.storage.initialState()
  expectEqual(confPosition, 3, 'position of the configuration')
  for (const part of ['voters', 'votersOutgoing', 'learners', 'learnersNext', 'autoLeave'] as const) {
    expectEqual(String(confState[part]), String(joint[part]), part)
  }
}

async function restartAfterReplace<D>(log: Trial<D>): Promise<void> {
  const kept = log.entry(0, 1, 1)
  await log.append(kept, log.entry(1, 5, 1), log.entry(5, 6, 1))
  const replacement = log.entry(1, 2, 2)
  await log.write({ truncateTo: 1, entries: [replacement] })
  await log.reopen()
  await log.expectLog(kept, replacement)
  expectEqual(log.storage.endPosition(), 2, 'end')
}

async function compaction<D>(log: Trial<D>): Promise<void> {
  if (log.driver.compactTo === null) return
  const last = log.entry(6, 8, 2)
  await log.append(log.entry(0, 3, 1), log.entry(3, 6, 1), last)
  await log.driver.compactTo(6)
  expectEqual(log.storage.startPosition(), 6, 'start')
  expectEqual(log.storage.termAt(6), 1, 'term at the start')
  expectEqual(log.storage.termAt(5), 'compacted', 'term below the start')
  expectEqual(log.storage.entries(3, 8, 100), 'compacted', 'entries below the start')
  await log.expectLog(last)
}

function startAt(position: Position, data: unknown = null): Snapshot {
  return { position, term: 2, confState: confStateOf([1, 2, 3]), confPosition: position, data }
}

async function handOver<D>(log: Trial<D>): Promise<void> {
  await log.append(log.entry(0, 3, 1))
  await log.write({ snapshot: startAt(50), hardState: { term: 2, vote: null, commit: 50 } })
  expectEqual(log.storage.startPosition(), 50, 'start')
  expectEqual(log.storage.endPosition(), 50, 'end')
  expectEqual(log.storage.termAt(50), 2, 'term at the start')
  expectEqual(log.storage.termAt(49), 'compacted', 'term below the start')
}

async function appendAfterHandOver<D>(log: Trial<D>): Promise<void> {
  const entry = log.entry(50, 53, 2)
  await log.write({ snapshot: startAt(50), entries: [entry], hardState: { term: 2, vote: null, commit: 50 } })
  await log.reopen()
  expectEqual(log.storage.startPosition(), 50, 'start')
  expectEqual(log.storage.termAt(50), 2, 'term at the start')
  await log.expectLog(entry)
  const { confState } = log.storage.initialState()
  expectEqual(confState.voters.join(), '1,2,3', 'voters')
}

async function snapshotState<D>(log: Trial<D>): Promise<void> {
  if (log.harness.snapshots === false) return
  await log.write({ snapshot: startAt(7, 'state'), hardState: { term: 2, vote: null, commit: 7 } })
  const snapshot = log.storage.snapshot()
  expect(snapshot !== 'unavailable', 'no snapshot')
  expectEqual(snapshot.position, 7, 'position of the snapshot')
  expectEqual(snapshot.term, 2, 'term of the snapshot')
}
