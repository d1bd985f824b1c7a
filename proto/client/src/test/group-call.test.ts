/** Finding a group's coordinator, and following it: two servers on loopback that say what brokers say. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Metadata, type sendUnaryData } from '@grpc/grpc-js'
import {
  type ErrorName,
  encodeStatusDetails,
  GroupsService,
  STATUS_DETAILS_KEY,
  StratalogError,
  type StratalogErrorOptions,
} from '@stratalog/proto'
import { createClient } from '../client.ts'
import { startWireServer } from './wire-server.ts'

type Reply = sendUnaryData<object>

function refusal(code: ErrorName, options: StratalogErrorOptions = {}): Parameters<Reply>[0] {
  const metadata = new Metadata()
  metadata.set(STATUS_DETAILS_KEY, encodeStatusDetails(new StratalogError(code, undefined, options)))
  return { code: 14, details: code, metadata }
}

/** Two servers; the first one answers `findCoordinator` with whoever is the coordinator. */
class Coordinators implements AsyncDisposable {
  coordinator = 0
  /** What the next calls to delete a group or its offsets are answered with; then they succeed. */
  readonly refusals: ErrorName[] = []
  readonly trace: string[] = []
  readonly #servers: Awaited<ReturnType<typeof startWireServer>>[] = []

  static async start(): Promise<Coordinators> {
    const coordinators = new Coordinators()
    for (const index of [0, 1]) coordinators.#servers.push(await coordinators.#serve(index))
    return coordinators
  }

  get bootstrap(): string {
    return this.#servers[0]!.bootstrap
  }

  async #serve(index: number): ReturnType<typeof startWireServer> {
    const answer = (name: string) => (_: unknown, reply: Reply) => {
      this.trace.push(`${name} at ${index}`)
      const code = this.refusals.shift()
      if (code !== undefined) reply(refusal(code))
      else if (this.coordinator === index) reply(null, {})
      else reply(refusal('NOT_COORDINATOR', { leader: this.#hint(this.coordinator) }))
    }
    return await startWireServer([
      {
        method: GroupsService.findCoordinator,
        handler: (_: unknown, reply: Reply) => {
          this.trace.push('find')
          const { port } = this.#servers[this.coordinator]!
          reply(null, { coordinator: { leaderId: this.coordinator, endpoint: { host: '127.0.0.1', port } } })
        },
      },
      { method: GroupsService.deleteGroup, handler: answer('delete') },
      { method: GroupsService.deleteOffsets, handler: answer('offsets') },
    ])
  }

  #hint(index: number): NonNullable<StratalogErrorOptions['leader']> {
    return { leaderId: index, leaderEpoch: 1, host: '127.0.0.1', port: this.#servers[index]!.port }
  }

  [Symbol.asyncDispose](): Promise<void> {
    for (const server of this.#servers) server.stop()
    return Promise.resolve()
  }
}

test('a coordinator is looked for once, and followed where it says', async () => {
  await using coordinators = await Coordinators.start()
  await using client = createClient({ bootstrap: coordinators.bootstrap })
  await client.admin.deleteGroup('g')
  await client.admin.deleteGroup('g')
  assert.deepEqual(coordinators.trace.splice(0), ['find', 'delete at 0', 'delete at 0'])
  coordinators.coordinator = 1
  await client.admin.deleteGroup('g')
  await client.admin.deleteGroup('g')
  assert.deepEqual(coordinators.trace.splice(0), ['delete at 0', 'delete at 1', 'delete at 1'])
  assert.equal(client.groups.peekCoordinator('other'), null)
})

test('a coordinator that loads its groups is waited for, until the deadline', async () => {
  await using coordinators = await Coordinators.start()
  await using client = createClient({ bootstrap: coordinators.bootstrap })
  coordinators.refusals.push(
    'COORDINATOR_LOAD_IN_PROGRESS',
    'COORDINATOR_LOAD_IN_PROGRESS',
    'COORDINATOR_NOT_AVAILABLE',
  )
  await client.admin.deleteGroup('g')
  const tries = Array<string>(3).fill('delete at 0')
  assert.deepEqual(coordinators.trace.splice(0), ['find', ...tries, 'find', 'delete at 0'])
  coordinators.refusals.push(...Array<ErrorName>(1_000).fill('COORDINATOR_LOAD_IN_PROGRESS'))
  await assert.rejects(client.admin.deleteGroup('g', { timeoutMs: 200 }), { code: 'COORDINATOR_LOAD_IN_PROGRESS' })
  assert.ok(coordinators.trace.length < 20, `${coordinators.trace.length} attempts in 200 ms`)
})

test('what may have been done is done again only where that changes nothing', async () => {
  await using coordinators = await Coordinators.start()
  await using client = createClient({ bootstrap: coordinators.bootstrap })
  coordinators.refusals.push('SHUTTING_DOWN')
  await assert.rejects(client.admin.deleteGroup('g'), { code: 'SHUTTING_DOWN' })
  coordinators.refusals.push('SHUTTING_DOWN')
  assert.deepEqual(await client.admin.deleteOffsets('g', [{ topic: 't', partitions: [0] }]), [])
  coordinators.refusals.push('GROUP_NOT_EMPTY')
  await assert.rejects(client.admin.deleteGroup('g'), { code: 'GROUP_NOT_EMPTY' })
})
