/** The broker as a library: the process that the `stratalog` command runs, its configuration, and segment tools. */
export { Broker, type BrokerDependencies, type StopOptions } from './broker.ts'
export { ConfigError, type ConfigProblem } from './config/config-error.ts'
export {
  type BrokerConfig,
  type ConfigInputs,
  type EffectiveSetting,
  environmentName,
  loadConfig,
  renderEffectiveConfig,
} from './config/load-config.ts'
export type { Settings } from './config/settings.ts'
export { FAIL_STOP_EXIT_STATUS, installFailStop } from './fail-stop.ts'
export {
  dumpSegment,
  NotASegmentError,
  type SegmentDumpEntry,
  type SegmentDumpOptions,
} from './log/segment-dump.ts'
export {
  type SegmentProblem,
  type SegmentVerdict,
  type SegmentVerifyOptions,
  type VerifyReport,
  verifySegment,
} from './log/segment-verify.ts'
export type { Logger } from './observability/logger.ts'
export { STARTUP_ERRORS, StartupError, type StartupErrorCode } from './startup-error.ts'
export { StoreError, type StoreErrorCode } from './storage/key-value-store.ts'
export { BROKER_VERSION } from './version.ts'
