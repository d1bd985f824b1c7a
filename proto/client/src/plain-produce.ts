/**
 * Plain records to the leaders of their partitions: one unary call to each, in which the broker makes the batches.
 *
 * Nothing is sent twice: a record whose call failed has its error, and the caller decides.
 */
import {
  fromErrorDetail,
  isStratalogError,
  ProduceService,
  partitionForKey,
  StratalogError,
  stratalog,
} from '@stratalog/proto'
import { type BrokerAddress, formatAddress } from './address.ts'
import type { CallOptions, PlainAck, PlainProduce, PlainRecord } from './admin-types.ts'
import type { Client } from './client.ts'
import { durabilityName } from './durability.ts'

const { Acks } = stratalog.v1

/** Records of one request for one leader, with their places in it. */
interface Share {
  readonly broker: BrokerAddress
  readonly partition: number
  readonly places: number[]
}

/**
 * Sends, and answers for each record in the order of the request.
 *
 * Errors: those of the topic's metadata; what failed at every leader. What failed at one of several is in its records' acks.
 */
export async function producePlain(client: Client, request: PlainProduce, options: CallOptions): Promise<PlainAck[]> {
  const { topic, records } = request
  const acks = new Array<PlainAck>(records.length)
  const shares = await split(client, request, options)
  const outcomes = await Promise.all(
    shares.map(async ({ broker, partition, places }) => {
      const message = {
        topic,
        partition,
        acks: request.acks === 'leader' ? Acks.ACKS_LEADER : Acks.ACKS_ALL,
        records: places.map((place) => toRecord(records[place]!)),
      }
      let answers: readonly stratalog.v1.RecordAck.$Properties[] | StratalogError
      try {
        answers = (await client.call(ProduceService.produceRecords, message, { ...options, broker })).acks
      } catch (error) {
        if (!isStratalogError(error)) throw error
        answers = error
      }
      places.forEach((place, index) => {
        acks[place] =
          answers instanceof StratalogError ? failed(partition, answers) : toAck(topic, answers[index] ?? {})
      })
      if (places.some((place) => acks[place]!.error !== null)) await client.metadata.refresh([topic]).catch(() => {})
      return answers
    }),
  )
  const [first] = outcomes
  if (first instanceof StratalogError && outcomes.every((outcome) => outcome instanceof StratalogError)) throw first
  return acks
}

async function split(client: Client, request: PlainProduce, options: CallOptions): Promise<Share[]> {
  const { topic, partition, records } = request
  const { partitions } = await client.metadata.topic(topic, options)
  const keyless = Math.floor(Math.random() * partitions.length)
  const shares = new Map<string, Share>()
  for (const [place, { key }] of records.entries()) {
    const number = partition ?? (key === null || key === undefined ? keyless : partitionOf(key, partitions.length))
    const broker = await client.metadata.leader(topic, number, options)
    const name = `${formatAddress(broker)} ${number}`
    const share = shares.get(name) ?? { broker, partition: number, places: [] }
    share.places.push(place)
    shares.set(name, share)
  }
  return [...shares.values()]
}

function partitionOf(key: Uint8Array | string, partitionCount: number): number {
  return partitionForKey(typeof key === 'string' ? Buffer.from(key) : key, partitionCount)
}

function toRecord(record: PlainRecord): stratalog.v1.Record.$Properties {
  return {
    ...optionalBytes('key', record.key),
    ...optionalBytes('value', record.value),
    headers: (record.headers ?? []).map(({ key, value }) => ({ key, ...optionalBytes('value', value) })),
    timestampMs: record.timestamp ?? 0,
  }
}

function toAck(topic: string, ack: stratalog.v1.RecordAck.$Properties): PlainAck {
  return {
    partition: ack.partition ?? 0,
    error: ack.error ? fromErrorDetail(ack.error, { topic }) : null,
    offset: ack.error || (ack.offset ?? -1) < 0 ? null : (ack.offset ?? 0),
    timestamp: ack.timestampMs ?? 0,
    durability: durabilityName(ack.durability),
  }
}

function failed(partition: number, error: StratalogError): PlainAck {
  return { partition, error, offset: null, timestamp: 0, durability: 'memory' }
}

function optionalBytes<Name extends string>(
  name: Name,
  value: Uint8Array | string | null | undefined,
): { [K in Name]?: Uint8Array } {
  if (value === null || value === undefined) return {}
  return { [name]: typeof value === 'string' ? Buffer.from(value) : value } as { [K in Name]?: Uint8Array }
}
