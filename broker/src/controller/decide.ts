/**
 * One decision: the command and the image give records and an answer, or the error that refuses it.
 *
 * Exactly once: a command that led to records leaves its id and answer as the last of them, so that a repetition, after an
 * answer that was lost, gets that answer and changes nothing. Pure.
 */
import { StratalogError } from '@stratalog/proto'
import {
  decideDecommissionBroker,
  decideDrainBroker,
  decideFoundCluster,
  decideMaybeRemoveBroker,
  decideRegisterBroker,
} from './broker-decisions.ts'
import { accepted, type Command, type Decision, type DecisionContext } from './commands.ts'
import type { MetadataImage } from './metadata-image.ts'
import {
  decideCancelMove,
  decideCompleteReassignment,
  decideMovePartition,
  decideRenewReplica,
} from './move-decisions.ts'
import { decideEnsureOffsetsTopic } from './offsets-topic-decisions.ts'
import {
  decideAddPartitions,
  decideAllocateProducerIds,
  decideAlterTopicConfig,
  decideCreateTopic,
  decideDeleteTopic,
} from './topic-decisions.ts'

/** Decides on a command that has an id. */
export function decideOnce(
  image: MetadataImage,
  commandId: string,
  command: Command,
  context: DecisionContext,
): Decision {
  const executed = image.commands.get(commandId)
  if (executed !== undefined) return accepted([], executed.result)
  const decision = decide(image, command, context)
  if (decision instanceof StratalogError || decision.records.length === 0) return decision
  const { records, result } = decision
  return accepted([...records, { type: 'command-executed', commandId, result }], result)
}

function decide(image: MetadataImage, command: Command, context: DecisionContext): Decision {
  switch (command.type) {
    case 'found-cluster':
      return decideFoundCluster(image, command)
    case 'create-topic':
      return decideCreateTopic(image, command, context)
    case 'ensure-offsets-topic':
      return decideEnsureOffsetsTopic(image, command, context)
    case 'delete-topic':
      return decideDeleteTopic(image, command)
    case 'alter-topic-config':
      return decideAlterTopicConfig(image, command)
    case 'add-partitions':
      return decideAddPartitions(image, command, context)
    case 'allocate-producer-ids':
      return decideAllocateProducerIds(image)
    case 'register-broker':
      return decideRegisterBroker(image, command, context)
    case 'drain-broker':
      return decideDrainBroker(image, command, context)
    case 'decommission-broker':
      return decideDecommissionBroker(image, command, context)
    case 'maybe-remove-broker':
      return decideMaybeRemoveBroker(image, command, context)
    case 'move-partition':
      return decideMovePartition(image, command, context)
    case 'cancel-move':
      return decideCancelMove(image, command)
    case 'complete-reassignment':
      return decideCompleteReassignment(image, command)
    case 'renew-replica':
      return decideRenewReplica(image, command)
    case 'barrier':
      return accepted([])
  }
}
