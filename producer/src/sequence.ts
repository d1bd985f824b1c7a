/** Sequences of idempotent producers: int32 >= 0 that go on at 0 after 2^31-1. Source: Kafka DefaultRecordBatch. */

const SEQUENCE_MODULUS = 2 ** 31

/** The sequence `recordCount` records after `sequence`. */
export function addSequence(sequence: number, recordCount: number): number {
  return (sequence + recordCount) % SEQUENCE_MODULUS
}
