/** The members of a group run: each a process that is killed, paused, stopped and started again, and keeps its name. */
import { join } from 'node:path'
import { ClientProcess } from '../workload/client-process.ts'
import type { GroupMemberJob } from '../workload/job.ts'
import type { ProcessChange } from './group-event.ts'
import type { GroupHistory } from './group-history.ts'

/** What stays the same over all its starts. */
export interface GroupMemberOptions {
  /** A file each for every process of it, and one for all that they print. */
  readonly folder: string
  readonly job: Omit<GroupMemberJob, 'historyPath'>
  /** Of the run. */
  readonly history: GroupHistory
  /** A sentence about an end that nobody asked for. */
  readonly onUnexpectedEnd: (sentence: string) => void
}

/** See the file's header. */
export class GroupMember {
  readonly #options: GroupMemberOptions
  #process: ClientProcess | null = null
  #startCount = 0
  #isEnding = false
  #isPaused = false

  constructor(options: GroupMemberOptions) {
    this.#options = options
  }

  get name(): string {
    return this.#options.job.name
  }

  /** Starts the process, unless it runs; resolves when it works at joining the group. */
  async start(): Promise<void> {
    if (this.#process !== null) return
    this.#startCount++
    this.#isEnding = false
    const { folder, job, onUnexpectedEnd } = this.#options
    const historyPath = join(folder, 'history', `${this.#source}.ndjson`)
    this.#note('started')
    const started = await ClientProcess.start(
      this.#source,
      { ...job, historyPath },
      join(folder, 'logs', `${job.name}.log`),
    )
    this.#process = started
    started.done.catch((error: unknown) => {
      if (this.#process === started && !this.#isEnding) onUnexpectedEnd(String(error))
    })
  }

  /** kill -9. */
  async kill(): Promise<void> {
    const running = this.#take()
    if (running === null) return
    await running.kill()
    this.#note('killed')
  }

  /** Ends it in order; resolves with what it counted. Errors: it did not end in order. */
  async stop(): Promise<Readonly<Record<string, number>>> {
    this.resume()
    const running = this.#take()
    if (running === null) return {}
    const counts = await running.stop()
    this.#note('stopped')
    return counts
  }

  pause(): void {
    if (this.#process === null || this.#isPaused) return
    this.#process.pause()
    this.#isPaused = true
    this.#note('paused')
  }

  resume(): void {
    if (this.#process === null || !this.#isPaused) return
    this.#note('resumed')
    this.#isPaused = false
    this.#process.resume()
  }

  get #source(): string {
    return `${this.name}.${this.#startCount}`
  }

  #take(): ClientProcess | null {
    const running = this.#process
    this.#process = null
    this.#isEnding = true
    this.#isPaused = false
    return running
  }

  #note(what: ProcessChange): void {
    this.#options.history.append({ kind: 'process', source: this.#source, what })
  }
}
