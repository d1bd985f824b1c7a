/** The deterministic simulator: one seed, one run, the same every time. */
export { drawOptions, FAULT_KINDS, type FaultKind, type LinkOptions, type SimOptions } from './sim-options.ts'
export { type SimReport, simulate } from './simulation.ts'
export { type SimTrace, traceLines } from './trace.ts'
export { type InvariantName, InvariantViolation } from './violation.ts'
