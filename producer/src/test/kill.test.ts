/** The producer against a broker in a process of its own that is killed. Run with arguments, this file is that process. */
import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { startTestBroker } from '@stratalog/broker/testing'
import { createClient } from '@stratalog/client'
import { createProducer } from '../index.ts'
import { valuesByPartition } from './read-back.ts'

const FILE = fileURLToPath(import.meta.url)
const [, , childDataDir, childPort] = process.argv

interface BrokerProcess {
  /** `127.0.0.1:PORT` */
  readonly bootstrap: string
  /** Ends it with SIGKILL: at once, with nothing finished. */
  readonly kill: () => Promise<void>
}

async function startBrokerProcess(dataDir: string, port: number): Promise<BrokerProcess> {
  const child = fork(FILE, [dataDir, String(port)], { execArgv: ['--conditions=typescript-source'] })
  const exited = once(child, 'exit')
  const started = await Promise.race([once(child, 'message'), exited.then(() => null)])
  if (started === null) throw new Error('the broker process did not start')
  return {
    bootstrap: String(started[0]),
    kill: async () => {
      child.kill('SIGKILL')
      await exited
    },
  }
}

if (process.send !== undefined && childDataDir !== undefined) {
  const broker = await startTestBroker({ dataDir: childDataDir, settings: { listen: `127.0.0.1:${childPort}` } })
  process.send(broker.bootstrap)
  process.on('disconnect', () => process.exit(1))
} else {
  test('kill -9 of the broker, again and again: acknowledged records are there once and in order', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'stratalog-killed-'))
    let broker = await startBrokerProcess(dataDir, 0)
    const port = Number(broker.bootstrap.split(':')[1])
    const client = createClient({ bootstrap: broker.bootstrap })
    await client.admin.createTopic({ name: 'killed', partitionCount: 2 })
    const producer = createProducer(client)
    const acks: ReturnType<typeof producer.send>[] = []
    const send = (count: number): void => {
      for (; count > 0; count--) {
        acks.push(producer.send({ topic: 'killed', value: `${acks.length}`, partition: acks.length % 2 }))
      }
    }
    for (let kill = 0; kill < 3; kill++) {
      for (let round = 0; round < 20; round++) {
        send(10)
        await acks.at(-25)
      }
      send(200)
      const killed = broker.kill()
      send(50)
      await killed
      send(50)
      broker = await startBrokerProcess(dataDir, port)
    }
    const settled = await Promise.all(acks)
    const written = await valuesByPartition(client, 'killed')
    for (const partition of [0, 1]) {
      const expected = acks.map((_, index) => index).filter((index) => index % 2 === partition)
      assert.deepEqual(written[partition]?.map(Number), expected)
    }
    settled.forEach(({ partition, offset }, index) => {
      if (offset >= 0) assert.ok(written[partition]?.includes(String(index)))
    })
    await producer.close()
    await client.close()
    await broker.kill()
    await rm(dataDir, { recursive: true })
  })
}
