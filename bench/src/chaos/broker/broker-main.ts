/**
 * A broker process of a failure run: the broker that `stratalog broker` runs, on a disk that can be told to fail.
 *
 * Ends in order at SIGTERM and when the run is gone.
 */
import { Broker, installFailStop, loadConfig } from '@stratalog/broker'
import {
  FaultyFileSystem,
  LossyFileSystem,
  NodeFileSystem,
  type PowerLossReport,
  seededRandom,
} from '@stratalog/broker/testing'
import type { BrokerNews, BrokerOrder, BrokerSpec } from './broker-messages.ts'

/** A disk that loses nothing: the power cut is a kill. */
const NOTHING_LOST: PowerLossReport = { lostChangeCount: 0, lostBytes: 0, tornPaths: [], undoneNameCount: 0 }

const spec = JSON.parse(process.argv[2] ?? '{}') as BrokerSpec
const lossy = spec.atticDir === null ? null : await LossyFileSystem.create(spec.atticDir)
const disk = new FaultyFileSystem(lossy ?? new NodeFileSystem())
disk.setFaults(spec.diskFaults)

process.on('message', (order: BrokerOrder) => {
  if (order.kind === 'disk') {
    disk.setFaults(order.faults)
    tell({ kind: 'disk-set' })
  } else void losePower(order.seed)
})

try {
  const broker = await Broker.start(loadConfig({ flags: spec.settings }), { fileSystem: disk })
  installFailStop(broker.logger)
  tell({ kind: 'ready' })
  await stopAsked()
  await broker.stop()
} catch (error) {
  tell({ kind: 'failed', code: String((error as { code?: unknown }).code ?? 'UNEXPECTED'), message: String(error) })
  console.error(error)
  process.exitCode = 1
} finally {
  if (process.connected) process.disconnect()
}

function tell(news: BrokerNews): void {
  process.send?.(news)
}

function stopAsked(): Promise<void> {
  return new Promise((resolve) => {
    process.once('SIGTERM', () => resolve())
    process.once('disconnect', () => resolve())
  })
}

/** What is told has left the process before it dies. */
async function losePower(seed: number): Promise<void> {
  const report = lossy === null ? NOTHING_LOST : await lossy.powerLoss(seededRandom(seed))
  process.send?.({ kind: 'power-lost', report } satisfies BrokerNews, () => process.kill(process.pid, 'SIGKILL'))
}
