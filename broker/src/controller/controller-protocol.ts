/**
 * Commands on their way to the controller, and its answers: JSON, as few of them travel and people read them in trouble.
 *
 * Requests come from another process and are checked whole; one that this release does not know is INVALID_REQUEST.
 * The founding of a cluster does not travel: it is done by the first leader itself.
 */
import { StratalogError } from '@stratalog/proto'
import { z } from 'zod'
import type { Command } from './commands.ts'
import { decodeVersioned, encodeVersioned, replicaSchema, resultSchema } from './metadata-codec.ts'
import { MetadataError } from './metadata-error.ts'
import type { TopicImage } from './metadata-image.ts'
import type { CommandResult } from './metadata-records.ts'
import { type TopicRow, topicOfRow, topicRow, topicSchema } from './metadata-rows.ts'

/** Commands that travel. */
export type TravellingCommand = Exclude<Command, { type: 'found-cluster' }>

/** A command on its way. */
export interface ControllerRequest {
  /** Random; the same in each repetition of the command. */
  readonly commandId: string
  readonly command: TravellingCommand
  /** Check and answer as if it had been done. */
  readonly validateOnly: boolean
  /** How long the answer may take, ms > 0. */
  readonly timeoutMs: number
  /** Whether a broker that does not lead may pass it on: once, so that it does not go in circles. */
  readonly mayForward: boolean
}

/** What became of a command. */
export interface ControllerAnswer {
  readonly clusterId: string
  /** End of the metadata log that contains the command's records, or that it was decided on. */
  readonly metadataOffset: number
  readonly result: CommandResult
  /** With `validateOnly`: the topic as it would be. */
  readonly topic: TopicImage | null
}

const text = z.string()
const id = z.number().int().nonnegative().max(Number.MAX_SAFE_INTEGER)
const number = z.number()
const texts = z.record(text, text)

const registrationSchema = z.strictObject({
  brokerId: number,
  clusterId: text.nullable(),
  host: text,
  port: number,
  rack: text,
  peerHost: text,
  peerPort: number,
  directoryId: text,
  runs: z.array(text),
})

/** Values are checked by the decisions, which name what is wrong; here it is shapes. */
const commandSchema: z.ZodType<TravellingCommand> = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('create-topic'),
    name: text,
    partitionCount: number,
    replicationFactor: number,
    configs: texts,
  }),
  z.strictObject({ type: z.literal('ensure-offsets-topic'), partitionCount: number }),
  z.strictObject({ type: z.literal('delete-topic'), name: text }),
  z.strictObject({ type: z.literal('alter-topic-config'), name: text, set: texts, unset: z.array(text) }),
  z.strictObject({ type: z.literal('add-partitions'), name: text, partitionCount: number }),
  z.strictObject({ type: z.literal('allocate-producer-ids') }),
  z.strictObject({ type: z.literal('register-broker'), registration: registrationSchema }),
  z.strictObject({ type: z.literal('drain-broker'), brokerId: number, drained: z.boolean(), force: z.boolean() }),
  z.strictObject({ type: z.literal('decommission-broker'), brokerId: number, decommissioning: z.boolean() }),
  z.strictObject({ type: z.literal('maybe-remove-broker'), brokerId: number }),
  z.strictObject({ type: z.literal('move-partition'), topic: text, partition: number, brokerIds: z.array(number) }),
  z.strictObject({ type: z.literal('cancel-move'), topic: text, partition: number }),
  z.strictObject({
    type: z.literal('complete-reassignment'),
    topicId: text,
    partition: number,
    target: z.array(replicaSchema),
  }),
  z.strictObject({ type: z.literal('renew-replica'), topicId: text, partition: number, lost: replicaSchema }),
  z.strictObject({ type: z.literal('barrier') }),
])

const requestSchema: z.ZodType<ControllerRequest> = z.strictObject({
  commandId: text.min(1).max(64),
  command: commandSchema,
  validateOnly: z.boolean(),
  timeoutMs: id.min(1),
  mayForward: z.boolean(),
})

const answerSchema = z.strictObject({
  clusterId: text,
  metadataOffset: id,
  result: resultSchema,
  topic: topicSchema.nullable(),
})

/** A request's bytes. */
export function encodeControllerRequest(request: ControllerRequest): Buffer {
  return encodeVersioned(request)
}

/** Errors: INVALID_REQUEST. */
export function decodeControllerRequest(bytes: Buffer): ControllerRequest {
  return decoded(bytes, requestSchema, "the controller's request")
}

/** An answer's bytes. */
export function encodeControllerAnswer(answer: ControllerAnswer): Buffer {
  const topic: TopicRow | null = answer.topic === null ? null : topicRow(answer.topic)
  return encodeVersioned({ ...answer, topic })
}

/** Errors: INVALID_REQUEST. */
export function decodeControllerAnswer(bytes: Buffer): ControllerAnswer {
  const answer = decoded(bytes, answerSchema, "the controller's answer")
  return { ...answer, topic: answer.topic === null ? null : topicOfRow(answer.topic) }
}

function decoded<Value>(bytes: Buffer, schema: z.ZodType<Value>, where: string): Value {
  try {
    return decodeVersioned(bytes, schema, where)
  } catch (cause) {
    if (!(cause instanceof MetadataError)) throw cause
    throw new StratalogError('INVALID_REQUEST', cause.message, { cause })
  }
}
