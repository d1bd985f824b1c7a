/** The thread that does the work of compaction on bytes; see compaction-thread.ts for its other end. */
import { parentPort } from 'node:worker_threads'
import { invariant } from '@stratalog/proto'
import type { CompactionReply, CompactionRequest, SentChunk } from './compaction-messages.ts'
import { ChunkFault, type CompactionChunk, CompactionRounds } from './compaction-rounds.ts'

const rounds = new CompactionRounds()

function answer(request: CompactionRequest): CompactionReply {
  switch (request.kind) {
    case 'begin':
      rounds.begin(request.start)
      return { kind: 'done' }
    case 'map':
      return { kind: 'mapped', mapped: rounds.map(received(request.chunk)) }
    case 'thin': {
      const { end, tombstonesEnd } = request
      const { bytes, ...thinned } = rounds.thin({ ...received(request.chunk), end, tombstonesEnd })
      return { kind: 'thinned', thinned, bytes }
    }
    case 'end':
      rounds.end()
      return { kind: 'done' }
  }
}

function received({ bytes, baseOffset, leastEpoch }: SentChunk): CompactionChunk {
  return { bytes: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), baseOffset, leastEpoch }
}

function failure(error: unknown): CompactionReply {
  if (error instanceof ChunkFault) {
    return { kind: 'fault', offset: error.offset, at: error.at, reason: error.reason }
  }
  return { kind: 'failed', message: error instanceof Error ? (error.stack ?? error.message) : String(error) }
}

const port = parentPort
invariant(port !== null, 'compaction-worker.ts is the main file of a thread')
port.on('message', (request: CompactionRequest) => {
  let reply: CompactionReply
  try {
    reply = answer(request)
  } catch (error) {
    reply = failure(error)
  }
  // What was thinned is in memory of its own and passes on; small buffers are copied, as they share a pool.
  const bytes = reply.kind === 'thinned' ? reply.bytes : null
  const owns = bytes !== null && bytes.byteLength === bytes.buffer.byteLength
  port.postMessage(reply, owns ? [bytes.buffer as ArrayBuffer] : [])
})
