/**
 * What `npm start` shows: a cluster with real records in it, what was done and how fast, and what to try next.
 */
import { createClient } from '@stratalog/client'
import { DevCluster } from '../cluster/dev-cluster.ts'
import { waitForEnd } from '../cluster/run-dev.ts'
import { CommandError } from '../command-error.ts'
import type { DemoOptions } from '../commands/demo.ts'
import { formatBytes, formatCount, formatDuration, formatRate } from '../output/quantity.ts'
import { renderTable } from '../output/table.ts'
import { ShutdownSignal } from '../shutdown-signal.ts'
import { FLIGHT_COUNT } from './flights.ts'
import { FLIGHTS_TOPIC, type LoadResult, loadFlights } from './load-flights.ts'
import { type ReadResult, readFlightsBack } from './read-flights.ts'

/** Brokers of the demo: as many as a partition has copies. */
const BROKER_COUNT = 3
const DEFAULT_BOOTSTRAP = '127.0.0.1:9400,127.0.0.1:9401,127.0.0.1:9402'

/** Runs until Ctrl-C. Errors: those of the broker's start (`PORT_IN_USE`, `DATA_DIRECTORY_IN_USE`, ...), or a wrong count. */
export async function runDemo(options: DemoOptions): Promise<void> {
  const shutdown = new ShutdownSignal()
  await using cluster = await startCluster(options)
  for (const { brokerId, address, dataDir, logPath } of cluster.brokers) {
    say(`broker ${brokerId} serves at ${address} (data ${dataDir}, log ${logPath})`)
  }
  try {
    await using client = createClient({ bootstrap: cluster.bootstrap, clientId: 'stratalog-demo' })
    sayLoaded(await loadFlights(client, shutdown.signal))
    sayRead(await readFlightsBack(client, shutdown.signal))
  } catch (error) {
    if (shutdown.signal.aborted) return
    throw error
  }
  sayNext(cluster.bootstrap)
  await waitForEnd(cluster, shutdown, 'table')
  say('stopping; the data stays')
}

async function startCluster(options: DemoOptions): Promise<DevCluster> {
  try {
    return await DevCluster.start({ brokerCount: BROKER_COUNT, dataDir: options.data, basePort: options.port })
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && /_IN_USE$/.test(String(error.code)))) throw error
    say('another demo or broker seems to run here; a second one: npm start -- --port 9500 --data ./data-2')
    throw error
  }
}

function sayLoaded(result: LoadResult): void {
  const { created, partitionCount, sentCount, bytes, durationMs, durability } = result
  if (created) say(`created topic ${FLIGHTS_TOPIC} with ${partitionCount} partitions`)
  if (sentCount === 0) {
    say(`topic ${FLIGHTS_TOPIC} is loaded already: nothing was sent`)
    return
  }
  const what = sentCount === FLIGHT_COUNT ? 'flights' : 'flights that an earlier start did not get to'
  const rate = formatRate(sentCount, bytes, durationMs)
  say(`loaded ${formatCount(sentCount)} ${what} (key = origin) in ${formatDuration(durationMs)}: ${rate}`)
  say(`every one was acknowledged as ${durability}`)
}

function sayRead(result: ReadResult): void {
  const { recordCount, bytes, durationMs, counts, samples } = result
  if (recordCount < FLIGHT_COUNT) {
    const message = `only ${formatCount(recordCount)} of ${formatCount(FLIGHT_COUNT)} flights came back`
    throw new CommandError('UNHEALTHY', message, `this is a defect: please report it with the broker's log`)
  }
  const rate = formatRate(recordCount, bytes, durationMs)
  say(`read ${formatCount(recordCount)} back, ${formatBytes(bytes)}, in ${formatDuration(durationMs)}: ${rate}\n`)
  const columns = [
    { title: 'PARTITION', align: 'right' },
    { title: 'RECORDS', align: 'right' },
  ] as const
  const rows = [...counts]
    .sort(([a], [b]) => a - b)
    .map(([partition, count]) => [String(partition), formatCount(count)])
  say(renderTable(columns, rows))
  say(`some of them:\n${samples.map((line) => `  ${line}`).join('\n')}\n`)
}

function sayNext(bootstrap: string): void {
  const where = bootstrap === DEFAULT_BOOTSTRAP ? '' : ` --bootstrap ${bootstrap}`
  say(`next, in another terminal:
  npx stratalog topic describe ${FLIGHTS_TOPIC}${where}
  npx stratalog consume ${FLIGHTS_TOPIC} --count 5 --format '%p@%o %k %v\\n'${where}
  npx stratalog topic create greetings --partitions 1${where}
  echo hello | npx stratalog produce greetings${where}
  npx stratalog consume greetings --follow${where}
stop with Ctrl-C; the data stays`)
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}
