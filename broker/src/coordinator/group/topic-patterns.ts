/**
 * Regular expressions that members subscribe by, and which topics they match.
 *
 * RE2 syntax, matched in linear time against whole names. What a pattern matches is kept and follows the topics, so that a new
 * topic costs one match per pattern, whatever the number of groups.
 */
import { StratalogError } from '@stratalog/proto'
import { RE2JS } from 're2js'
import { isMatchable, type TopicFacts, type Topics, type TopicsDelta } from './topics.ts'

/** Patterns whose matches are kept; above it all are forgotten, and found again when they are asked for. */
const PATTERN_COUNT_MAX = 1000

interface Entry {
  readonly expression: RE2JS
  readonly names: Set<string>
}

/** See the file's header. Owner: the shard. */
export class TopicPatterns {
  readonly #entries = new Map<string, Entry>()
  #topics: Topics

  constructor(topics: Topics) {
    this.#topics = topics
  }

  /** Refuses a pattern that is none. */
  check(pattern: string): StratalogError | null {
    const entry = this.#entryOf(pattern)
    return entry instanceof StratalogError ? entry : null
  }

  /** Names of the topics that it matches; none when it is no pattern (a record of another release may hold such). */
  matches(pattern: string): ReadonlySet<string> {
    const entry = this.#entryOf(pattern)
    return entry instanceof StratalogError ? new Set() : entry.names
  }

  /** Follows the topics. */
  topicsChanged({ after, changed, deleted }: TopicsDelta): void {
    this.#topics = after
    for (const { expression, names } of this.#entries.values()) {
      for (const topic of deleted) names.delete(topic.name)
      for (const topic of changed) if (isMatch(expression, topic)) names.add(topic.name)
    }
  }

  #entryOf(pattern: string): Entry | StratalogError {
    const known = this.#entries.get(pattern)
    if (known !== undefined) return known
    const expression = compiled(pattern)
    if (expression instanceof StratalogError) return expression
    const names = new Set<string>()
    for (const topic of this.#topics.byName.values()) if (isMatch(expression, topic)) names.add(topic.name)
    if (this.#entries.size >= PATTERN_COUNT_MAX) this.#entries.clear()
    const entry = { expression, names }
    this.#entries.set(pattern, entry)
    return entry
  }
}

function isMatch(expression: RE2JS, topic: TopicFacts): boolean {
  return isMatchable(topic) && expression.testExact(topic.name)
}

function compiled(pattern: string): RE2JS | StratalogError {
  try {
    return RE2JS.compile(pattern)
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    const text = `topic_pattern ${JSON.stringify(pattern)}: ${why}`
    return new StratalogError('INVALID_REGULAR_EXPRESSION', text, { cause, metadata: { field: 'topic_pattern' } })
  }
}
