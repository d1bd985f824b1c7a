import { deepEqual, equal } from 'node:assert/strict'
import { test } from 'node:test'
import { spreadCell } from './spread-cell.ts'
import { spreadOf } from './statistics.ts'

test('the middle of an even number of values is between the two', () => {
  deepEqual(spreadOf([4, 1, 3, 2]), { min: 1, median: 2.5, max: 4 })
  deepEqual(spreadOf([10, 9, 100]), { min: 9, median: 10, max: 100 })
})

test('a cell shows the spread when there is one', () => {
  equal(spreadCell([0.5], 2), '0.50')
  equal(spreadCell([0.5, 0.25, 1], 2), '0.50 (0.25..1.00)')
})
