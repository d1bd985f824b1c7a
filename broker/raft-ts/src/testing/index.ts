/** Tools for testing what is built on raft-ts: the storage conformance suite and a group in memory. */

export { logOf, MemoryGroup, type MemoryGroupOptions, type MemoryMember } from './memory-group.ts'
export {
  drawOptions,
  FAULT_KINDS,
  type FaultKind,
  type InvariantName,
  InvariantViolation,
  type LinkOptions,
  type SimOptions,
  type SimReport,
  type SimTrace,
  simulate,
  traceLines,
} from './sim/index.ts'
export { bridge, type Cut, halves, isolate, oneWay, ring } from './sim/partition-shapes.ts'
export { Random } from './sim/random.ts'
export { Timeline } from './sim/timeline.ts'
export { TraceHash } from './sim/trace-hash.ts'
export {
  type StorageCheck,
  type StorageDriver,
  type StorageHarness,
  storageConformance,
} from './storage-conformance.ts'
