/** The deterministic simulation of whole brokers: one seed, one run, the same every time. */
export type { ClientEvent, ClientHistory } from './history.ts'
export { BROKER_FAULT_KINDS, type BrokerFaultKind, type BrokerSimOptions, drawBrokerOptions } from './options.ts'
export { type BrokerSimReport, type BrokerSimRun, simulateBroker } from './simulation.ts'
export { type InvariantName, InvariantViolation } from './violation.ts'
export type { SimTrace } from './world.ts'
