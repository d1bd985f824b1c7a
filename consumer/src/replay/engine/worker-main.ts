/**
 * Entry of a worker thread of a replay: opens the source, then reads the splits that it is given, one after another.
 *
 * Decompression, filters, encoding, checksums and the writing of files all happen here.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { invariant } from '@stratalog/proto'
import { SplitWorker } from './split-worker.ts'
import type { FromWorker, ToWorker, WorkerSetup } from './thread-messages.ts'
import { toPlainError } from './thread-messages.ts'

const port = parentPort
invariant(port !== null, 'this file runs in a worker thread')

const send = (message: FromWorker): void => {
  // Only chunks are large: their memory changes hands.
  port.postMessage(message, message.type === 'chunk' ? [message.bytes.buffer as ArrayBuffer] : [])
}

try {
  const worker = await SplitWorker.open(workerData as WorkerSetup, send)
  port.on('message', (message: ToWorker) => {
    if (message.type === 'split') void worker.run(message.split, message.withHeader)
    else if (message.type === 'credit') worker.give(message.bytes)
    else void worker.stop().then(() => port.close())
  })
  send({ type: 'ready' })
} catch (error) {
  send({ type: 'failed', splitId: null, error: toPlainError(error) })
}
