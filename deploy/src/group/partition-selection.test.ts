import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatPlaces, isSelected, parseTopicSelections } from './partition-selection.ts'

test('partitions are named by topic, number and range', () => {
  const selections = parseTopicSelections(['a:0,2-4', 'b', 'a:7', 'c:1', 'c'])
  const chosen = (topic: string): number[] =>
    Array.from({ length: 9 }, (_, partition) => partition).filter((partition) =>
      isSelected(selections, { topic, partition }),
    )
  assert.deepEqual(chosen('a'), [0, 2, 3, 4, 7])
  assert.equal(chosen('b').length, 9)
  assert.equal(chosen('c').length, 9, 'all of it, though a part was named as well')
  assert.deepEqual(chosen('d'), [])
  for (const text of ['', ':1', 'a:', 'a:x', 'a:1-', 'a:3-1', 'a:1:2', 'a:-1', 'a:0-99999']) {
    assert.throws(() => parseTopicSelections([text]), { code: 'USAGE' }, text)
  }
})

test('partitions are shown as they are typed', () => {
  const places = [5, 1, 0, 2, 7].map((partition) => ({ topic: 'a', partition }))
  assert.equal(formatPlaces([...places, { topic: 'b', partition: 10 }]), 'a:0-2,5,7 b:10')
  assert.equal(formatPlaces([]), '-')
})
