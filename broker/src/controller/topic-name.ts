/** Which names a topic may have; they become folder names, so the set is small. Source: Kafka Topic.validate. */
import { StratalogError } from '@stratalog/proto'

/** Longest topic name: with a partition number it stays below the 255 bytes of a file name. */
export const TOPIC_NAME_CHARS_MAX = 249

/** Topics of the system itself begin so; clients cannot create or delete them. */
export const INTERNAL_TOPIC_PREFIX = '__'

/** Why `name` cannot name a topic, or null when it can. */
export function checkTopicName(name: string): StratalogError | null {
  const fault = nameFault(name)
  return fault === null
    ? null
    : new StratalogError('INVALID_TOPIC', `topic name ${quoted(name)} ${fault}`, { topic: name })
}

/** Whether the topic belongs to the system itself. */
export function isInternalTopic(name: string): boolean {
  return name.startsWith(INTERNAL_TOPIC_PREFIX)
}

/** Refuses a client what only the system may do with its own topics. */
export function internalTopic(name: string): StratalogError {
  return new StratalogError('INVALID_TOPIC', `${name} is internal: names that begin with __ belong to the system`, {
    topic: name,
  })
}

function nameFault(name: string): string | null {
  if (name === '') return 'is empty'
  if (name === '.' || name === '..') return 'means a folder'
  if (name.length > TOPIC_NAME_CHARS_MAX)
    return `has ${name.length} characters, at most ${TOPIC_NAME_CHARS_MAX} are allowed`
  const wrong = /[^a-zA-Z0-9._-]/.exec(name)
  return wrong === null ? null : `contains ${quoted(wrong[0])}; allowed are a-z A-Z 0-9 . _ -`
}

function quoted(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}...` : text)
}
