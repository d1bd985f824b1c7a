/** Histories of failure runs and their checker: pure, used by the chaos suite on real processes. */
export { ANOMALIES, type AnomalyCount, type AnomalyKind } from './anomaly.ts'
export { type CheckerOptions, HistoryChecker, type HistoryTotals, type Verdict } from './history-checker.ts'
export {
  encodeEvent,
  type FaultEvent,
  type HistoryEvent,
  HistoryFormatError,
  parseEvent,
  type ValueRun,
} from './history-event.ts'
export { mergeEvents } from './merge-events.ts'
export { decodeValue, encodeValue, VALUE_BYTES_MIN, type ValueName } from './value-bytes.ts'
