import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SILENT_LOGGER } from '@stratalog/client'
import { StratalogError } from '@stratalog/proto'
import fc from 'fast-check'
import { BuilderPool } from '../builder-pool.ts'
import { Idempotence } from '../idempotence.ts'
import { RecordAccumulator } from '../record-accumulator.ts'
import type { RecordAck } from '../record-ack.ts'
import { Sender } from '../sender.ts'
import { ELECTION_MS, type FaultRates, ModelCluster } from './model-cluster.ts'
import { seededRandom, VirtualTime } from './virtual-time.ts'

interface Scenario {
  readonly seed: number
  readonly recordCount: number
  readonly partitionCount: number
  readonly maxInFlight: number
  readonly lingerMs: number
  readonly deliveryTimeoutMs: number
  readonly recordsPerBatchMax: number
  readonly rates: FaultRates
}

interface Sent {
  readonly partition: number
  settledMs: number
  outcome: RecordAck | StratalogError | null
}

const TOPIC = 'model'
const BATCH_BYTES_MAX = 400

type Script = (cluster: ModelCluster, time: VirtualTime) => void

/** Sends records at random times through the real core into the model, until all are settled. */
async function simulate(
  scenario: Scenario,
  idempotent: boolean,
  script: Script = () => {},
): Promise<{ sent: Sent[]; cluster: ModelCluster }> {
  const time = new VirtualTime()
  const random = seededRandom(scenario.seed)
  const { partitionCount, rates, lingerMs, maxInFlight, deliveryTimeoutMs, recordsPerBatchMax } = scenario
  const cluster = new ModelCluster({ time, random, partitionCount, rates, faultsForMs: 3_000, recordsPerBatchMax })
  const port = cluster.port()
  const pool = new BuilderPool('none', undefined)
  const accumulator = new RecordAccumulator(
    pool,
    { idempotent, maxInFlight, lingerMs, deliveryTimeoutMs, compresses: false, random },
    {
      sealed: () => {},
      acknowledged: (batch, ack) => batch.acknowledge(ack),
      failed: (batch, error) => batch.fail(error),
    },
  )
  const idempotence = new Idempotence({
    init: (previous) => cluster.initProducerId(previous),
    after: port.after,
    random,
    onIdentity: () => sender.wake(),
    onRefused: (error) => sender.failAll(error),
    logger: SILENT_LOGGER,
  })
  const sender = new Sender({
    port,
    accumulator,
    idempotence: idempotent ? idempotence : null,
    pool,
    link: { acks: 'all', requestTimeoutMs: 500 },
    urgent: () => false,
    logger: SILENT_LOGGER,
  })
  const sent: Sent[] = []
  const sendNext = (): void => {
    const entry: Sent = { partition: Math.floor(random() * partitionCount), settledMs: 0, outcome: null }
    const value = sent.push(entry) - 1
    const record = { key: null, value: String(value), timestamp: time.nowMs }
    const queue = accumulator.queue(TOPIC, entry.partition)
    const settle = (outcome: RecordAck | StratalogError): void => {
      assert.equal(entry.outcome, null, `record ${value} is settled once`)
      entry.settledMs = time.nowMs
      entry.outcome = outcome
    }
    accumulator.append(queue, record, 40, BATCH_BYTES_MAX, time.nowMs).awaitedBy(time.nowMs, settle, settle)
    sender.wake()
    if (sent.length < scenario.recordCount) time.after(random() < 0.7 ? 0 : Math.floor(random() * 60), sendNext)
  }
  time.after(0, sendNext)
  script(cluster, time)
  for (let steps = 0; (await time.step()) && steps < 100_000; steps++) {
    if (sent.length === scenario.recordCount && accumulator.outstandingCount === 0) break
  }
  sender.close()
  assert.equal(accumulator.outstandingCount, 0, 'everything is settled in the end')
  return { sent, cluster }
}

/** Every log is in sending order without a repeat, and holds each acknowledged record where it was said to be. */
function checkLogs(sent: readonly Sent[], cluster: ModelCluster): void {
  cluster.partitions.forEach(({ log }, partition) => {
    for (let offset = 1; offset < log.length; offset++) {
      assert.ok(log[offset]! > log[offset - 1]!, `partition ${partition}: ${log[offset]} follows ${log[offset - 1]}`)
    }
  })
  sent.forEach(({ partition, outcome }, value) => {
    assert.ok(outcome !== null)
    if (outcome instanceof StratalogError) return
    const { log } = cluster.partitions[partition]!
    if (outcome.offset >= 0) assert.equal(log[outcome.offset], value, `record ${value} is at its offset`)
    else assert.ok(log.includes(value), `record ${value} is somewhere`)
  })
}

const rate = (max: number): fc.Arbitrary<number> => fc.double({ min: 0, max, noNaN: true })
const scenarios: fc.Arbitrary<Scenario> = fc.record({
  seed: fc.integer(),
  recordCount: fc.integer({ min: 1, max: 150 }),
  partitionCount: fc.integer({ min: 1, max: 3 }),
  maxInFlight: fc.integer({ min: 1, max: 5 }),
  lingerMs: fc.constantFrom(0, 0, 5),
  deliveryTimeoutMs: fc.constantFrom(60_000, 60_000, 400),
  recordsPerBatchMax: fc.constantFrom(1_000, 1_000, 4, 1),
  rates: fc.record({
    refuse: rate(0.2),
    doubt: rate(0.2),
    dropBefore: rate(0.1),
    dropAfter: rate(0.1),
    move: rate(0.1),
    crash: fc.constantFrom(0, 0, 0.01),
    freeze: fc.constantFrom(0, 0, 0.01),
    fatal: fc.constantFrom(0, 0, 0.03),
  }),
})

const RUNS = Number(process.env['SIM_RUNS'] ?? 100)

test('under random refusals, doubts, breaks, moves and expiry, order holds and nothing is lost or written twice', async () => {
  await fc.assert(
    fc.asyncProperty(scenarios, async (scenario) => {
      const { sent, cluster } = await simulate(scenario, true)
      checkLogs(sent, cluster)
    }),
    { numRuns: RUNS },
  )
})

test('without fatal errors and expiry every record is acknowledged', async () => {
  const calm = scenarios.map((scenario) => ({
    ...scenario,
    deliveryTimeoutMs: 60_000,
    rates: { ...scenario.rates, fatal: 0 },
  }))
  await fc.assert(
    fc.asyncProperty(calm, async (scenario) => {
      const { sent, cluster } = await simulate(scenario, true)
      checkLogs(sent, cluster)
      const failure = sent.find(({ outcome }) => outcome instanceof StratalogError)
      assert.equal(failure, undefined)
      const written = cluster.partitions.reduce((sum, { log }) => sum + log.length, 0)
      assert.equal(written, sent.length)
    }),
    { numRuns: RUNS },
  )
})

test('without idempotence nothing is written twice either: what is in doubt fails instead', async () => {
  await fc.assert(
    fc.asyncProperty(scenarios, async ({ rates, ...scenario }) => {
      // A frozen broker may write much later what has failed long ago: only sequences keep that out of order.
      const { sent, cluster } = await simulate({ ...scenario, maxInFlight: 1, rates: { ...rates, freeze: 0 } }, false)
      checkLogs(sent, cluster)
    }),
    { numRuns: RUNS },
  )
})

const CALM: FaultRates = { refuse: 0, doubt: 0, dropBefore: 0, dropAfter: 0, move: 0, crash: 0, freeze: 0, fatal: 0 }
/** Longest time between a new leader and the first record that it takes. */
const GAP_AFTER_ELECTION_MS = 400

for (const fault of ['crash', 'freeze'] as const) {
  test(`after a leader's ${fault} records go on soon after the election, without a repeat`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer(), fc.integer({ min: 1, max: 3 }), async (seed, partitionCount) => {
        const scenario: Scenario = {
          ...{ seed, partitionCount, rates: CALM, recordCount: 400, maxInFlight: 5, lingerMs: 0 },
          ...{ deliveryTimeoutMs: 60_000, recordsPerBatchMax: 1_000 },
        }
        let faultMs = 0
        const { sent, cluster } = await simulate(scenario, true, (model, time) => {
          time.after(500, () => {
            faultMs = time.nowMs
            model[fault](0)
          })
        })
        checkLogs(sent, cluster)
        assert.ok(sent.every(({ outcome }) => outcome !== null && !(outcome instanceof StratalogError)))
        const after = sent.filter(({ settledMs }) => settledMs >= faultMs + ELECTION_MS)
        const gapMs = Math.min(...after.map(({ settledMs }) => settledMs)) - faultMs - ELECTION_MS
        assert.ok(gapMs <= GAP_AFTER_ELECTION_MS, `${gapMs} ms after the election`)
      }),
      { numRuns: RUNS },
    )
  })
}
