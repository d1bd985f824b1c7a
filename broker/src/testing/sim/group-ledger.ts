/**
 * What is known to be committed in one partition, from all copies and all readers: once known, it never changes.
 *
 * Copies add to it in order, each from where the last one ended; readers and acknowledgements may be ahead of them, as a
 * leader serves what others have on disk before it does, and are compared when the copies get there.
 */
import type { SeenBatch } from './log-image.ts'
import { hold } from './violation.ts'

/** Somebody has said that this is committed. */
interface Claim {
  readonly crc: number
  readonly epoch: number
  readonly by: string
}

/** See the file's header. */
export class GroupLedger {
  readonly name: string
  /** Ascending and contiguous. */
  readonly batches: SeenBatch[] = []
  /** Claims beyond the batches, by base offset. */
  readonly #claims = new Map<number, Claim>()
  readonly #indexByBase = new Map<number, number>()
  /** Next sequence of each producer and epoch. */
  readonly #sequences = new Map<string, number>()
  acknowledgedCount = 0

  constructor(name: string) {
    this.name = name
  }

  /** Exclusive end of what the copies have added. */
  get end(): number {
    return this.batches.at(-1)?.end ?? 0
  }

  /** A copy holds this batch below its high watermark. */
  note(batch: SeenBatch, by: string): void {
    const known = this.#indexByBase.get(batch.base)
    if (known !== undefined) {
      this.#compare(batch, this.batches[known]!, by)
      return
    }
    hold(
      batch.base === this.end,
      'committed-immutable',
      () => `${this.name}: ${by} has a batch at ${batch.base} where none begins; committed up to ${this.end}`,
    )
    this.#indexByBase.set(batch.base, this.batches.length)
    this.batches.push(batch)
    this.#follow(batch, by)
    const claim = this.#claims.get(batch.base)
    if (claim === undefined) return
    this.#claims.delete(batch.base)
    hold(
      claim.crc === batch.crc && claim.epoch === batch.epoch,
      'committed-immutable',
      () =>
        `${this.name}: ${describe(batch)} of ${by} is not what ${claim.by} said: crc ${claim.crc} epoch ${claim.epoch}`,
    )
  }

  /** A reader got this batch, or a producer an acknowledgement of it. */
  claim(base: number, crc: number, epoch: number, by: string): void {
    const index = this.#indexByBase.get(base)
    if (index !== undefined) {
      const batch = this.batches[index]!
      hold(
        batch.crc === crc && batch.epoch === epoch,
        'committed-immutable',
        () => `${this.name}: ${by} has crc ${crc} epoch ${epoch} at ${base}; committed is ${describe(batch)}`,
      )
      return
    }
    hold(
      base >= this.end,
      'committed-immutable',
      () => `${this.name}: ${by} has a batch at ${base} where none begins; committed up to ${this.end}`,
    )
    const claim = this.#claims.get(base)
    hold(
      claim === undefined || (claim.crc === crc && claim.epoch === epoch),
      'committed-immutable',
      () =>
        `${this.name}: ${by} has crc ${crc} epoch ${epoch} at ${base}; ${claim?.by} had ${claim?.crc}, ${claim?.epoch}`,
    )
    this.#claims.set(base, { crc, epoch, by })
  }

  /** At the end, when the copies have told everything: every claim has come true. */
  finish(): void {
    const [claim] = this.#claims
    hold(
      claim === undefined,
      'acknowledged-kept',
      () => `${this.name}: what ${claim?.[1].by} was told of ${claim?.[0]} is gone; committed up to ${this.end}`,
    )
  }

  #compare(batch: SeenBatch, known: SeenBatch, by: string): void {
    hold(
      batch.crc === known.crc && batch.epoch === known.epoch && batch.end === known.end,
      'committed-immutable',
      () => `${this.name}: ${by} has ${describe(batch)}; committed is ${describe(known)}`,
    )
  }

  /** Each sequence of a producer is in the log once, and in order. */
  #follow(batch: SeenBatch, by: string): void {
    const { producerId, producerEpoch, baseSequence, recordCount } = batch
    if (producerId === null || baseSequence === null || batch.isControl) return
    const key = `${producerId}/${producerEpoch}`
    const next = this.#sequences.get(key) ?? 0
    hold(
      baseSequence >= next,
      'dedupe-exact',
      () => `${this.name}: ${by} has ${describe(batch)}, but sequences of ${key} below ${next} are in the log already`,
    )
    hold(
      baseSequence === next,
      'sequence-consecutive',
      () => `${this.name}: ${by} has ${describe(batch)}, but the next sequence of ${key} is ${next}`,
    )
    this.#sequences.set(key, next + recordCount)
  }
}

function describe({ base, end, epoch, crc, producerId, baseSequence, isControl }: SeenBatch): string {
  const what = isControl ? 'control' : `producer ${producerId} sequence ${baseSequence}`
  return `[${base},${end}) epoch ${epoch} crc ${crc} ${what}`
}
