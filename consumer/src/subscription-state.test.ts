import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { StratalogError } from '@stratalog/proto'
import type { StreamCommands } from './command-outbox.ts'
import { addPartition, deliver, newState, takeOffsets } from './test/core-steps.ts'
import { buildLog, dataOffsets, ModelLeader } from './test/log-model.ts'

const SESSION = 1

function sum(commands: StreamCommands | null, field: 'starts' | 'credits' | 'stops'): number {
  return commands?.[field].length ?? 0
}

describe('credit', () => {
  it('starts with the share of the budget and returns what is taken, in steps of half a window', () => {
    const log = buildLog(Array.from({ length: 8 }, () => ({ data: 1, valueBytes: 200 })))
    const batchBytes = log[0]!.bytes.length
    const state = newState({ prefetchBytesMax: batchBytes * 4 })
    const partition = addPartition(state)
    state.attach(partition, SESSION)
    const leader = new ModelLeader([log])
    const start = state.drain(SESSION)
    assert.equal(start?.starts[0]?.creditBytes, batchBytes * 4)
    leader.handle(start!)
    deliver(state, leader, leader.handles[0]!)
    assert.equal(partition.bufferedBytes, batchBytes * 4)
    assert.equal(partition.outstandingBytes, 0)
    takeOffsets(state, partition, log)
    assert.deepEqual(state.drain(SESSION)?.credits, [{ handle: 1, bytes: batchBytes }])
    takeOffsets(state, partition, log)
    assert.equal(state.drain(SESSION), null, 'less than half a window is missing')
    takeOffsets(state, partition, log)
    assert.deepEqual(state.drain(SESSION)?.credits, [{ handle: 1, bytes: batchBytes * 2 }])
  })

  it('is given to a partition whose batches are larger than the whole budget, one at a time', () => {
    const log = buildLog([{ data: 5, valueBytes: 100 }, { data: 5, valueBytes: 100 }, { data: 2 }])
    const state = newState({ prefetchBytesMax: 1 })
    const partition = addPartition(state)
    state.attach(partition, SESSION)
    const leader = new ModelLeader([log])
    const read: number[] = []
    for (let round = 0; round < 10; round++) {
      const commands = state.drain(SESSION)
      if (commands !== null) leader.handle(commands)
      for (const handle of leader.handles) deliver(state, leader, handle)
      assert.ok(partition.queue.length <= 1)
      read.push(...takeOffsets(state, partition, log))
    }
    assert.deepEqual(read, dataOffsets(log))
  })

  it('is withheld from a paused partition and granted at its resume', () => {
    const log = buildLog([{ data: 10 }, { data: 10 }])
    const state = newState({ prefetchBytesMax: log[0]!.bytes.length })
    const partition = addPartition(state)
    state.pause(partition)
    state.attach(partition, SESSION)
    assert.equal(state.drain(SESSION)?.starts[0]?.creditBytes, 0)
    state.resume(partition)
    assert.deepEqual(state.drain(SESSION)?.credits, [{ handle: 1, bytes: log[0]!.bytes.length }])
  })

  it('is shared: windows grow when a partition is done', () => {
    const log = buildLog([{ data: 3 }])
    const state = newState({ prefetchBytesMax: 1000 })
    const bounded = addPartition(state, { partition: 0, endOffset: 3 })
    addPartition(state, { partition: 1 })
    assert.equal(state.windowBytes, 500)
    state.attach(bounded, SESSION)
    const leader = new ModelLeader([log])
    leader.handle(state.drain(SESSION)!)
    deliver(state, leader, 1)
    assert.equal(state.windowBytes, 500, 'its bytes are still buffered')
    takeOffsets(state, bounded, log)
    assert.equal(state.windowBytes, 1000)
  })
})

describe('ends', () => {
  it('come by position when the tail is a control batch or a gap', () => {
    const log = buildLog([{ data: 2 }, 'control', { gap: 3 }, 'control'])
    const state = newState({ prefetchBytesMax: 10_000 })
    const partition = addPartition(state, { endOffset: 7 })
    state.attach(partition, SESSION)
    const leader = new ModelLeader([log])
    leader.handle(state.drain(SESSION)!)
    deliver(state, leader, 1)
    deliver(state, leader, 1)
    assert.equal(state.ended, false)
    assert.deepEqual(takeOffsets(state, partition, log), [0, 1])
    assert.equal(state.ended, true)
    assert.equal(partition.position, 7)
    assert.equal(state.drain(SESSION), null, 'the leader has ended the handle itself')
  })

  it('are there at once for an empty range, without asking anyone', () => {
    const state = newState({ prefetchBytesMax: 10_000 })
    const partition = addPartition(state, { endOffset: 0 })
    assert.equal(partition.phase, 'complete')
    assert.equal(state.ended, true)
  })

  it('cut the last batch and leave the position at the end', () => {
    const log = buildLog([{ data: 10 }])
    const state = newState({ prefetchBytesMax: 10_000 })
    const partition = addPartition(state, { offset: 2, endOffset: 5 })
    state.attach(partition, SESSION)
    const leader = new ModelLeader([log])
    leader.handle(state.drain(SESSION)!)
    deliver(state, leader, 1)
    assert.deepEqual(takeOffsets(state, partition, log), [2, 3, 4])
    assert.equal(partition.position, 5)
  })
})

describe('seek, failure and reset', () => {
  it('drops what is buffered and what is under way for the old handle', () => {
    const log = buildLog([{ data: 5 }, { data: 5 }])
    const state = newState({ prefetchBytesMax: 10_000 })
    const partition = addPartition(state)
    state.attach(partition, SESSION)
    const leader = new ModelLeader([log])
    leader.handle(state.drain(SESSION)!)
    const underWay = leader.serve(1, 1)!
    state.beginSeek(partition)
    state.endSeek(partition, 7)
    state.attach(partition, SESSION)
    assert.equal(state.receive(underWay, underWay.recordBatches as Buffer), null)
    const commands = state.drain(SESSION)!
    assert.deepEqual(commands.stops, [{ handle: 1 }])
    assert.equal(commands.starts[0]?.offset, 7)
    leader.handle(commands)
    deliver(state, leader, 2)
    assert.deepEqual(takeOffsets(state, partition, log), [7, 8, 9])
  })

  it('withdraws a start that was never sent', () => {
    const state = newState({ prefetchBytesMax: 10_000 })
    const partition = addPartition(state)
    state.attach(partition, SESSION)
    state.beginSeek(partition)
    const commands = state.drain(SESSION)
    assert.equal(sum(commands, 'starts') + sum(commands, 'stops'), 0)
  })

  it('delivers a failure behind what is buffered, and a seek ends it', () => {
    const log = buildLog([{ data: 5 }])
    const state = newState({ prefetchBytesMax: 10_000 })
    const partition = addPartition(state)
    state.attach(partition, SESSION)
    const leader = new ModelLeader([log])
    leader.handle(state.drain(SESSION)!)
    deliver(state, leader, 1)
    const error = new StratalogError('PARTITION_DAMAGED')
    state.fail(partition, error)
    assert.deepEqual(takeOffsets(state, partition, log), [0, 1, 2, 3, 4])
    assert.equal(partition.deliverable, true)
    assert.equal(state.take(partition), null)
    assert.equal(partition.failure, error)
    state.beginSeek(partition)
    state.endSeek(partition, 0)
    assert.equal(partition.failure, null)
    assert.equal(partition.phase, 'detached')
  })

  it('jumps by a reset only behind what is buffered', () => {
    const log = buildLog([{ data: 5 }])
    const state = newState({ prefetchBytesMax: 10_000 })
    const partition = addPartition(state)
    state.attach(partition, SESSION)
    const leader = new ModelLeader([log])
    leader.handle(state.drain(SESSION)!)
    deliver(state, leader, 1)
    const received = state.receive({ handle: 1, error: { reason: 'OFFSET_OUT_OF_RANGE' } }, null)
    assert.equal(received?.error?.reason, 'OFFSET_OUT_OF_RANGE')
    state.reset(partition, 100)
    assert.equal(partition.position, 0)
    takeOffsets(state, partition, log)
    assert.equal(partition.position, 100)
    state.attach(partition, SESSION)
    assert.equal(state.drain(SESSION)?.starts[0]?.offset, 100)
  })
})
