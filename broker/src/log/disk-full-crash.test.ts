/** A full disk, a new segment and then a power loss: what was cut off must not come back in a sealed segment. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { dataBatch } from '../testing/batches.ts'
import { FakeFileSystem } from '../testing/fake-file-system.ts'
import { DEFAULT_LOG_CONFIG, FlushScheduler, OpenFileCache, PartitionLog } from './index.ts'

const DIRECTORY = '/data/t-0'

class Host {
  fileSystem = new FakeFileSystem()
  nowMs = 1000
  #timers: (() => void)[] = []

  open(): Promise<PartitionLog> {
    const { fileSystem } = this
    return PartitionLog.open({
      directory: DIRECTORY,
      fileSystem,
      config: { ...DEFAULT_LOG_CONFIG, segmentMaxAgeMs: 5000 },
      flusher: new FlushScheduler(),
      openFiles: new OpenFileCache({ fileSystem }),
      clock: {
        nowMs: () => this.nowMs,
        schedule: (_delayMs, task) => {
          this.#timers.push(task)
          return () => {
            this.#timers = this.#timers.filter((other) => other !== task)
          }
        },
      },
    })
  }

  runTimers(): void {
    for (const task of this.#timers.splice(0)) task()
  }
}

async function settled(condition: () => boolean): Promise<void> {
  for (let turn = 0; turn < 1000 && !condition(); turn++) await new Promise((resolve) => setImmediate(resolve))
  assert.ok(condition())
}

for (let seed = 0; seed < 20; seed++) {
  test(`what a full disk left behind is gone for good before its segment is sealed (seed ${seed})`, async () => {
    const host = new Host()
    await host.fileSystem.makeDirectory('/data')
    const log = await host.open()
    log.append([dataBatch({ baseOffset: log.logEndOffset, recordCount: 2 })])
    await log.flush()
    host.fileSystem.diskFullAfterBytes(30)
    log.append([dataBatch({ baseOffset: log.logEndOffset, recordCount: 2 })])
    const flushed = log.flush()
    await settled(() => log.state.kind === 'disk-full')
    // The segment is due, and nothing more is written to it: without a sync of its own the cut is not durable.
    host.nowMs += 10_000
    host.fileSystem.diskFullAfterBytes(Number.POSITIVE_INFINITY)
    host.runTimers()
    assert.equal(await flushed, 4)
    host.fileSystem = host.fileSystem.crash({ keep: 'random', seed })
    const recovered = await host.open()
    assert.equal(recovered.logEndOffset, 4)
    assert.ok(host.fileSystem.paths.includes(`${DIRECTORY}/00000000000000000002.log`))
    await recovered.close()
  })
}
