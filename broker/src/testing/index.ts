/** `@stratalog/broker/testing`: a real broker for tests, in this process, and disks that fail for broker processes. */

export { NodeFileSystem } from '../storage/node-file-system.ts'
export { seededRandom } from './fake-disk.ts'
export { type DiskFaults, FaultyFileSystem } from './faulty-file-system.ts'
export { type FoundCoordinator, GroupsClient } from './groups-client.ts'
export { LossyFileSystem, type PowerLossReport } from './lossy-file-system.ts'
export { startTestBroker, type TestBroker, type TestBrokerOptions } from './test-broker.ts'
export { WireClient } from './wire-client.ts'
