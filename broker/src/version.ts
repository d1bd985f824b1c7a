/** What this broker runs, from its package. */
import { createRequire } from 'node:module'

const { version } = createRequire(import.meta.url)('../package.json') as { version: string }

/** Such as `0.1.0`. */
export const BROKER_VERSION: string = version
