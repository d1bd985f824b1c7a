/**
 * What nothing can be faster than here: one small append with `fdatasync`, and one trip to another thread and back over
 * loopback TCP.
 *
 * An acknowledgement by a majority takes two such trips (client - leader - follower and back) and at least one sync.
 */
import { once } from 'node:events'
import { open } from 'node:fs/promises'
import { createConnection, type Socket } from 'node:net'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { LoadJob } from './job.ts'
import { LatencyHistogram, type LatencySummary } from './latency-histogram.ts'
import { nowNs } from './pacer.ts'

const WARM_UP_COUNT = 200
const EXTENSION = import.meta.filename.slice(-3)

/** Does each `recordCount` times, one after another. */
export async function floorLoad(job: LoadJob): Promise<Record<string, LatencySummary>> {
  return { fdatasync: await measureSync(job), roundTrip: await measureRoundTrip(job) }
}

async function measureSync(job: LoadJob): Promise<LatencySummary> {
  const histogram = new LatencyHistogram()
  const value = Buffer.alloc(job.valueBytes, 'x')
  await using file = await open(join(job.directory, 'floor.log'), 'w')
  for (let i = 0; i < WARM_UP_COUNT + job.recordCount; i++) {
    const startNs = nowNs()
    await file.write(value, 0, value.length, i * value.length)
    await file.datasync()
    if (i >= WARM_UP_COUNT) histogram.record(nowNs() - startNs)
  }
  return histogram.summary()
}

async function measureRoundTrip(job: LoadJob): Promise<LatencySummary> {
  const histogram = new LatencyHistogram()
  const value = Buffer.alloc(job.valueBytes, 'x')
  const echo = new Worker(new URL(`./echo-thread${EXTENSION}`, import.meta.url))
  const [port] = (await once(echo, 'message')) as [number]
  const socket = createConnection({ host: '127.0.0.1', port, noDelay: true })
  await once(socket, 'connect')
  for (let i = 0; i < WARM_UP_COUNT + job.recordCount; i++) {
    const startNs = nowNs()
    socket.write(value)
    await received(socket, value.length)
    if (i >= WARM_UP_COUNT) histogram.record(nowNs() - startNs)
  }
  socket.destroy()
  await echo.terminate()
  return histogram.summary()
}

function received(socket: Socket, byteCount: number): Promise<void> {
  return new Promise((resolve) => {
    let left = byteCount
    const take = (chunk: Buffer): void => {
      left -= chunk.length
      if (left > 0) return
      socket.off('data', take)
      resolve()
    }
    socket.on('data', take)
  })
}
