/**
 * What `npm start` shows: a cluster with real records in it, what was done and how fast, and what to try next.
 */
import { createClient } from '@stratalog/client'
import { DevCluster } from '../cluster/dev-cluster.ts'
import { waitForEnd } from '../cluster/run-dev.ts'
import { CommandError } from '../command-error.ts'
import type { DemoOptions } from '../commands/demo.ts'
import { formatPartitions } from '../group/partition-selection.ts'
import { formatBytes, formatCount, formatDuration, formatRate } from '../output/quantity.ts'
import { renderTable } from '../output/table.ts'
import { ShutdownSignal } from '../shutdown-signal.ts'
import { FLIGHTS_GROUP, FlightReaders, type ReadResult } from './flight-readers.ts'
import { FLIGHT_COUNT } from './flights.ts'
import { FLIGHTS_TOPIC, type LoadResult, loadFlights } from './load-flights.ts'

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
    await using readers = await FlightReaders.join(cluster.bootstrap, shutdown.signal)
    sayRead(await readers.readAll(client.admin, shutdown.signal))
    sayNext(cluster.bootstrap)
    readers.failed.catch((error: Error) => say(`a member of group ${FLIGHTS_GROUP} has ended: ${error.message}`))
    await waitForEnd(cluster, shutdown, 'table')
  } catch (error) {
    if (shutdown.signal.aborted) return
    throw error
  }
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
  const { recordCount, bytes, durationMs, repeatedCount, resumed, shares, samples } = result
  if (repeatedCount > 0 || (!resumed && recordCount < FLIGHT_COUNT)) {
    const count = `${formatCount(recordCount)} of ${formatCount(FLIGHT_COUNT)} flights came back`
    const message = repeatedCount > 0 ? `${count}, ${formatCount(repeatedCount)} of them again` : `only ${count}`
    throw new CommandError('UNHEALTHY', message, `this is a defect: please report it with the brokers' logs`)
  }
  const group = `group ${FLIGHTS_GROUP}, two members,`
  const rate = formatRate(recordCount, bytes, durationMs)
  const amount = `${formatCount(recordCount)}${resumed ? ' more' : ''}, ${formatBytes(bytes)}`
  if (recordCount === 0) say(`${group} goes on where it was: it has read everything already\n`)
  else say(`${group} read ${amount}, in ${formatDuration(durationMs)}: ${rate}; each came once\n`)
  const columns = [{ title: 'MEMBER' }, { title: 'PARTITIONS' }, { title: 'RECORDS', align: 'right' }] as const
  const rows = shares.map(({ name, partitions, recordCount: count }) => {
    return [name, formatPartitions(partitions), formatCount(count)]
  })
  say(renderTable(columns, rows))
  if (samples.length > 0) say(`some of them:\n${samples.map((line) => `  ${line}`).join('\n')}\n`)
}

function sayNext(bootstrap: string): void {
  const where = bootstrap === DEFAULT_BOOTSTRAP ? '' : ` --bootstrap ${bootstrap}`
  say(`both members stay; look at them, and join them, from another terminal:
  npx stratalog group describe ${FLIGHTS_GROUP} --watch${where}
  npx stratalog consume ${FLIGHTS_TOPIC} --group ${FLIGHTS_GROUP} --follow${where}
  npx stratalog consume ${FLIGHTS_TOPIC} --group my-group --count 5 --format '%p@%o %k %v\\n'${where}
  echo hello | npx stratalog produce ${FLIGHTS_TOPIC}${where}
  npx stratalog topic describe ${FLIGHTS_TOPIC}${where}
stop with Ctrl-C; the data stays`)
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}
