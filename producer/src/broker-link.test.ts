import assert from 'node:assert/strict'
import { test } from 'node:test'
import { StratalogError, stratalog, toErrorDetail } from '@stratalog/proto'
import { type AwaitedBatch, BrokerLink } from './broker-link.ts'
import { BuilderPool } from './builder-pool.ts'
import type { AcksName } from './config.ts'
import { PartitionQueue } from './partition-queue.ts'
import { ProducerBatch } from './producer-batch.ts'
import type { ProduceHandlers, SenderPort } from './sender-port.ts'

const BROKER = { brokerId: 0, host: 'none', port: 1 }
const BYTES = Buffer.from('batch')
const FRAME_BYTES = 100_000

const ignore = (): void => {}

/** A link on a stream that the test plays; `log` tells what the link told its sender and its stream. */
class Harness {
  readonly log: string[] = []
  readonly written: (() => void)[] = []
  readonly link: BrokerLink
  handlers: ProduceHandlers | null = null
  readonly frame = Buffer.allocUnsafeSlow(FRAME_BYTES)
  readonly #queue: PartitionQueue

  constructor(acks: AcksName) {
    const options = { idempotent: false, maxInFlight: 5, lingerMs: 0, deliveryTimeoutMs: 1_000, compresses: false }
    const events = { sealed: ignore, split: () => [], acknowledged: ignore, failed: ignore }
    this.#queue = new PartitionQueue('t', 0, { ...options, random: () => 0 }, events)
    const tell = (what: string, { batch }: AwaitedBatch): void => void this.log.push(`${batch.ordinal} ${what}`)
    this.link = new BrokerLink(
      BROKER,
      this.#port(),
      { acks, requestTimeoutMs: 1_000 },
      {
        onAck: (awaited, ack) => tell(ack.durability, awaited),
        onError: (awaited, error) => tell(error.code, awaited),
        onRefused: (error) => this.log.push(`refused ${error.code} ${error.topic}-${error.partition}`),
        onLost: (lost, error) => {
          for (const awaited of lost) tell(`lost ${error.code}`, awaited)
        },
        onRoom: ignore,
      },
    )
  }

  send(ordinal: number): void {
    const batch = new ProducerBatch('t', 0, ordinal, 0, new BuilderPool('none', undefined).acquire())
    this.link.add(this.#queue, batch, BYTES, Buffer.alloc(16))
    this.link.flush()
  }

  #port(): SenderPort {
    return {
      now: () => 0,
      soon: (callback) => setImmediate(callback),
      after: () => () => {},
      random: () => 0,
      leaderOf: () => ({ kind: 'unknown' }),
      refresh: () => Promise.resolve(null),
      applyLeader: () => false,
      prepare: ignore,
      openStream: (_broker, handlers) => {
        this.handlers = handlers
        return {
          write: (_message, _bytes, { onWritten, onFramed }) => {
            onFramed?.(this.frame)
            this.written.push(onWritten ?? ignore)
            return true
          },
          end: () => this.log.push('end'),
          close: () => this.log.push('close'),
        }
      },
    }
  }
}

test('without acknowledgements a batch is settled when it was written, and finish waits for the broker', async () => {
  const harness = new Harness('none')
  harness.send(0)
  assert.deepEqual(harness.log, [])
  harness.written[0]?.()
  assert.deepEqual(harness.log, ['0 none'])
  let finished = false
  const finish = harness.link.finish().then(() => {
    finished = true
  })
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(finished, false)
  harness.handlers?.onEnd(null)
  await finish
  harness.link.close()
  assert.deepEqual(harness.log, ['0 none', 'end'])
})

test('what was not written when the stream broke is lost, and finish waits for it no longer', async () => {
  const harness = new Harness('none')
  harness.send(0)
  harness.send(1)
  harness.written[0]?.()
  const finish = harness.link.finish()
  harness.handlers?.onEnd(new StratalogError('NETWORK_EXCEPTION'))
  await finish
  harness.written[1]?.()
  assert.deepEqual(harness.log, ['0 none', 'end', '1 lost NETWORK_EXCEPTION'])
})

test('a refusal that nobody waits for is told by its partition', () => {
  const harness = new Harness('none')
  harness.send(0)
  harness.written[0]?.()
  const error = new StratalogError('NOT_LEADER_OR_FOLLOWER', undefined, { topic: 't', partition: 0 })
  harness.handlers?.onMessage({ acks: [{ correlationId: 1, error: toErrorDetail(error) }] })
  assert.deepEqual(harness.log, ['0 none', 'refused NOT_LEADER_OR_FOLLOWER t-0'])
})

test('with acknowledgements only the answer settles a batch, and there is nothing to finish', async () => {
  const harness = new Harness('all')
  harness.send(0)
  harness.written[0]?.()
  assert.deepEqual(harness.log, [])
  const durability = stratalog.v1.Durability.DURABILITY_FSYNCED
  harness.handlers?.onMessage({ acks: [{ correlationId: 1, baseOffset: 7, durability }] })
  await harness.link.finish()
  assert.deepEqual(harness.log, ['0 fsynced'])
})

test('the memory of a message is freed once it is written and answered, and not when its stream broke', () => {
  const answer = { acks: [{ correlationId: 1, baseOffset: 7 }] }
  const steps = [
    (harness: Harness) => harness.written[0]?.(),
    (harness: Harness) => harness.handlers?.onMessage(answer),
  ]
  for (const order of [steps, steps.toReversed()]) {
    const harness = new Harness('all')
    harness.send(0)
    order[0]?.(harness)
    assert.equal(harness.frame.length, FRAME_BYTES)
    order[1]?.(harness)
    assert.equal(harness.frame.length, 0)
  }
  const broken = new Harness('all')
  broken.send(0)
  broken.written[0]?.()
  broken.handlers?.onEnd(null)
  broken.handlers?.onMessage(answer)
  assert.equal(broken.frame.length, FRAME_BYTES)
})
