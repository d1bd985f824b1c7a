/**
 * Runs one test file in a process of its own and says in short how it went.
 *
 * Invariant: the process is gone when the call returns, even when a test or a handle left open would keep it for ever.
 */
import { run } from 'node:test'
import type { TestEvent } from 'node:test/reporters'
import { inspect } from 'node:util'

/** Counts of a run; what was cancelled has failed, what is marked as to be done is skipped. */
export interface Outcome {
  readonly passed: number
  readonly failed: number
  readonly skipped: number
}

/** How a file went. */
export interface TestFileResult extends Outcome {
  readonly durationMs: number
  /** One text per failure, and at the end what the file printed; empty when all passed. */
  readonly failures: readonly string[]
}

const OUTPUT_CHARACTERS_MAX = 20_000

/** Runs the file at `path`, for at most `timeoutMs`. */
export async function runTestFile(path: string, timeoutMs: number): Promise<TestFileResult> {
  const startedAtMs = performance.now()
  const failures: string[] = []
  let output = ''
  let passed = 0
  let skipped = 0
  const signal = AbortSignal.timeout(timeoutMs)
  const events = run({ files: [path], timeout: timeoutMs, signal, execArgv: ['--conditions=typescript-source'] })
  for await (const event of events as AsyncIterable<TestEvent>) {
    if (event.type === 'test:fail' && event.data.details.type !== 'suite' && event.data.todo === undefined) {
      failures.push(describeFailure(event.data.name === path ? 'the file as a whole' : event.data.name, event))
    } else if (event.type === 'test:stdout' || event.type === 'test:stderr') {
      if (output.length < OUTPUT_CHARACTERS_MAX) output += event.data.message
    } else if (event.type === 'test:summary' && event.data.file === undefined) {
      passed = event.data.counts.passed
      skipped = event.data.counts.skipped + event.data.counts.todo
    }
  }
  const failed = failures.length
  if (failed > 0 && output !== '') failures.push(`its output:\n${indent(output.trimEnd())}`)
  return { passed, failed, skipped, durationMs: performance.now() - startedAtMs, failures }
}

function describeFailure(name: string, event: Extract<TestEvent, { type: 'test:fail' }>): string {
  const { error } = event.data.details
  return `FAILED ${name}\n${indent(inspect(error.cause ?? error, { colors: false, depth: 4 }))}`
}

function indent(text: string): string {
  return text.replace(/^/gm, '    ')
}
