/** What client processes are given and give back. Partitions are numbered over all topics of the run. */

/** A partition of the run. */
export interface RunPartition {
  /** As the history calls it. */
  readonly number: number
  readonly topic: string
  readonly partition: number
}

interface Job {
  readonly bootstrap: string
  readonly historyPath: string
  readonly partitions: readonly RunPartition[]
}

/** Producers in one process, each with values of its own. */
export interface ProduceJob extends Job {
  readonly kind: 'produce'
  readonly producers: readonly {
    readonly producer: number
    readonly acks: 'all' | 'leader'
    /** Values a second. */
    readonly rate: number
    readonly deliveryTimeoutMs: number
    /** Bytes of a value, from and to. */
    readonly valueBytesMin: number
    readonly valueBytesMax: number
  }[]
  /** Largest record that the topics take: now and then a larger one is sent, to be refused. */
  readonly recordBytesMax: number
}

/** Consumers in one process; each reads all partitions, seeks now and then, and asks where partitions end. */
export interface ConsumeJob extends Job {
  readonly kind: 'consume'
  readonly consumers: readonly number[]
}

/** Reads all partitions from the beginning to the end as it is now, then ends. */
export interface FinalReadJob extends Job {
  readonly kind: 'final-read'
  readonly consumer: number
  readonly timeoutMs: number
}

/** A value every interval, one partition, and the times of all acknowledgements. */
export interface ProbeJob {
  readonly kind: 'probe'
  readonly bootstrap: string
  readonly topic: string
  readonly partition: number
  readonly intervalMs: number
}

/** Real records, to every partition of a topic in turn, until there are so many. */
export interface FeedJob {
  readonly kind: 'feed'
  readonly bootstrap: string
  readonly historyPath: string
  readonly topic: string
  readonly partitionCount: number
  readonly recordCount: number
  /** Records a second. */
  readonly rate: number
  /** Folder of `.log` files; null = the demo's flights. */
  readonly input: string | null
}

/** A member of a consumer group. */
export interface GroupMemberJob {
  readonly kind: 'group-member'
  readonly bootstrap: string
  readonly historyPath: string
  readonly name: string
  readonly group: string
  readonly topic: string
  /** null = a dynamic member. */
  readonly instanceId: string | null
  readonly sessionTimeoutMs: number
  readonly autoCommitIntervalMs: number
}

/** One of them. */
export type ClientJob = ProduceJob | ConsumeJob | FinalReadJob | ProbeJob | FeedJob | GroupMemberJob

/** To the process. */
export type ClientOrder =
  | { readonly kind: 'start'; readonly job: ClientJob }
  /** End in order, and say what came of it. */
  | { readonly kind: 'stop' }
  /** Probe: the longest gap between acknowledgements since the last such order. */
  | { readonly kind: 'gap'; readonly id: number }

/** From the process. */
export type ClientNews =
  | { readonly kind: 'started' }
  | { readonly kind: 'gap'; readonly id: number; readonly gapMs: number; readonly errorCodes: readonly string[] }
  | { readonly kind: 'done'; readonly notes: Readonly<Record<string, number>> }
  | { readonly kind: 'failed'; readonly message: string }

/** A client at work. */
export interface RunningClient {
  /** Resolves when it has ended by itself. */
  readonly ended: Promise<void>
  /** Ends it in order; resolves with what it counted. */
  stop(): Promise<Record<string, number>>
}
