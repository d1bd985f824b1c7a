/** `@stratalog/broker/testing`: a real broker for tests, in this process. */
export { startTestBroker, type TestBroker, type TestBrokerOptions } from './test-broker.ts'
