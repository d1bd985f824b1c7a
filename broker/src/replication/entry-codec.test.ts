import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CorruptMessageError } from '@stratalog/proto/records'
import fc from 'fast-check'
import { type ConfChange, confStateOf, type Entry, type Message } from 'raft-ts'
import { dataBatch } from '../testing/batches.ts'
import { EntryBatches, entriesDefect, entriesIn } from './entry-codec.ts'

const CHANGE: ConfChange = {
  transition: 'auto',
  steps: [
    { kind: 'add-voter', id: 65_539 },
    { kind: 'remove', id: 3 },
  ],
}

function entryOf(base: number, kind: 'leader' | 'config', term = 7): Entry<Buffer> {
  return { base, end: base + 1, term, kind, bytes: 0, data: null, change: kind === 'config' ? CHANGE : null }
}

function batches(): EntryBatches {
  return new EntryBatches(1, () => confStateOf([1, 2, 3], [65_539]))
}

test('entries without bytes get theirs: the same for log and messages, and they are read back as they were', () => {
  const made = batches()
  const entries = [entryOf(4, 'leader'), entryOf(5, 'config')]
  const message: Message<Buffer> = {
    type: 'append',
    group: 'g',
    from: 1,
    to: 2,
    term: 7,
    prev: 4,
    prevTerm: 6,
    entries,
    commit: 0,
  }
  const complete = made.complete(message)
  assert.ok(complete.type === 'append')
  assert.deepEqual(
    complete.entries.map(({ data }) => data),
    entries.map((entry) => made.of(entry)),
  )
  assert.equal(entriesDefect(complete.entries), null)
  const read = entriesIn(Buffer.concat(complete.entries.map(({ data }) => data!)))
  assert.deepEqual(read, complete.entries)
})

test('a message whose entries have their bytes is passed on as it is', () => {
  const data = dataBatch({ baseOffset: 0 })
  const entries = entriesIn(data)
  const message: Message<Buffer> = {
    type: 'append',
    group: 'g',
    from: 1,
    to: 2,
    term: 1,
    prev: 0,
    prevTerm: 0,
    entries,
    commit: 0,
  }
  assert.equal(batches().complete(message), message)
})

test('what is wrong with a received entry is said', () => {
  const data = dataBatch({ baseOffset: 3, recordCount: 2, epoch: 5 })
  const [entry] = entriesIn(data)
  assert.ok(entry)
  assert.equal(entriesDefect([entry]), null)
  for (const [wrong, text] of [
    [{ data: null }, /no batch/],
    [{ data: data.subarray(0, data.length - 1) }, /whole batch/],
    [{ base: 2 }, /other offsets/],
    [{ end: 6 }, /other offsets/],
    [{ term: 4 }, /another leader epoch/],
    [{ kind: 'leader' }, /another kind/],
  ] as const) {
    assert.match(entriesDefect([{ ...entry, ...wrong }]) ?? '', text)
  }
})

test('property: any bytes are entries or CORRUPT_MESSAGE', () => {
  const sound = Buffer.concat([
    dataBatch({ baseOffset: 0, recordCount: 3 }),
    batches().of(entryOf(3, 'leader')),
    batches().of(entryOf(4, 'config')),
  ])
  const harmed = fc
    .tuple(fc.array(fc.tuple(fc.nat(sound.length - 1), fc.nat(255)), { maxLength: 4 }), fc.nat(sound.length))
    .map(([changes, length]) => {
      const bytes = Buffer.from(sound)
      for (const [at, value] of changes) bytes[at] = value
      return bytes.subarray(0, length)
    })
  fc.assert(
    fc.property(
      fc.oneof(
        harmed,
        fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
      ),
      (bytes) => {
        try {
          const entries = entriesIn(bytes)
          assert.equal(
            entries.reduce((sum, { data }) => sum + data!.length, 0),
            bytes.length,
          )
        } catch (error) {
          assert.ok(error instanceof CorruptMessageError, String(error))
        }
      },
    ),
    { numRuns: 2_000 },
  )
})
