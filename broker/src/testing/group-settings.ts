/** How groups are coordinated in tests and simulations, unless they say. */
import type { GroupSettings } from '../broker-core-options.ts'

/** Small, so that what takes long in production happens. */
export const TEST_GROUPS: GroupSettings = {
  config: {
    heartbeatIntervalMs: 3000,
    sessionTimeoutMs: 45_000,
    sessionTimeoutMinMs: 1000,
    sessionTimeoutMaxMs: 1_800_000,
    rebalanceTimeoutMs: 60_000,
    groupSizeMax: 1000,
    assignor: 'uniform',
    offsetsRetentionMs: 7 * 24 * 3_600_000,
  },
  partitionCount: 4,
  checkpointBytesMin: 64 * 1024,
}
