/** The process of a client: runs its job until it is told to stop, and ends when the run is gone. */
import { feed } from '../groups/feed.ts'
import { groupMember } from '../groups/member.ts'
import { consume } from './consume-client.ts'
import { finalRead } from './final-reader.ts'
import type { ClientJob, ClientNews, ClientOrder, RunningClient } from './job.ts'
import { Probe } from './probe.ts'
import { produce } from './produce-client.ts'

let client: RunningClient | null = null
let probe: Probe | null = null

process.on('message', (order: ClientOrder) => {
  carryOut(order).catch((error: unknown) => fail(error))
})
process.once('disconnect', () => process.exit(0))
process.on('uncaughtException', (error) => fail(error))
process.on('unhandledRejection', (error) => fail(error))

async function carryOut(order: ClientOrder): Promise<void> {
  if (order.kind === 'start') {
    const started = await start(order.job)
    client = started
    tell({ kind: 'started' })
    await started.ended
    await finish(started)
  } else if (order.kind === 'stop') {
    if (client !== null) await finish(client)
  } else if (probe !== null) tell({ kind: 'gap', id: order.id, ...probe.takeGap() })
}

async function start(job: ClientJob): Promise<RunningClient> {
  switch (job.kind) {
    case 'produce':
      return produce(job)
    case 'consume':
      return consume(job)
    case 'final-read':
      return finalRead(job)
    case 'feed':
      return feed(job)
    case 'group-member':
      return groupMember(job)
    case 'probe':
      probe = new Probe(job)
      return probe
  }
}

let isFinishing = false

async function finish(running: RunningClient): Promise<void> {
  if (isFinishing) return
  isFinishing = true
  const notes = await running.stop()
  process.send?.({ kind: 'done', notes } satisfies ClientNews, () => process.exit(0))
}

function tell(news: ClientNews): void {
  process.send?.(news)
}

function fail(error: unknown): void {
  console.error(error)
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error)
  process.send?.({ kind: 'failed', message } satisfies ClientNews, () => process.exit(1))
}
