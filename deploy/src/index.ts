/**
 * What tools may use of the `stratalog` package: broker processes on this machine, the demo's records.
 */
export { BrokerProcess, type BrokerProcessOptions, BrokerStartError } from './cluster/broker-process.ts'
export { DevCluster, type DevClusterOptions } from './cluster/dev-cluster.ts'
export { type DevBroker, type DevTopologyOptions, planDevCluster } from './cluster/dev-topology.ts'
export { type FlightRecord, readFlights } from './demo/flights.ts'
