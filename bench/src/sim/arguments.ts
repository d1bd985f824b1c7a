/** What `pnpm sim --broker` was asked for: one seed, a range of them, or as many as fit into some minutes. */

/** Which seeds to run, and how to tell of them. */
export interface SimArguments {
  readonly first: number
  /** Last seed, inclusive; Infinity when time is the limit. */
  readonly last: number
  readonly minutes: number
  /** Print every event of the run. */
  readonly trace: boolean
  /** Run every seed twice and compare the hashes. */
  readonly twice: boolean
  /** Power losses of the whole cluster instead of the faults that a seed stands for: how many; 0 = none. */
  readonly powerLosses: number
}

/** How to call it. */
export const USAGE = `pnpm sim --broker --seed N [--trace]     one seed
pnpm sim --broker --seeds A..B           a range of seeds
pnpm sim --broker --minutes M [--from N] random seeds, or those from N on, for some minutes
pnpm sim --broker --power-losses R [--from N]
                                         R times all brokers lose power at once, under load
   --twice                               run each seed twice and compare the trace hashes`

const TAKES_VALUE: ReadonlySet<string> = new Set(['--seed', '--seeds', '--minutes', '--from', '--power-losses'])
const FLAGS: ReadonlySet<string> = new Set(['--broker', '--trace', '--twice'])

/** Reads the command line. Throws an Error whose message says what is wrong and how to call it. */
export function parseArguments(argv: readonly string[], randomSeed: () => number): SimArguments {
  const options = new Map<string, string>()
  for (let i = 0; i < argv.length; i++) {
    const name = argv[i]!
    if (name === '--') continue
    if (FLAGS.has(name)) options.set(name, '')
    else if (TAKES_VALUE.has(name)) options.set(name, argv[++i] ?? '')
    else throw new Error(`unknown argument ${name}\n${USAGE}`)
  }
  const powerLosses = options.has('--power-losses') ? count(options.get('--power-losses')) : 0
  const how = { trace: options.has('--trace'), twice: options.has('--twice'), powerLosses }
  const seed = options.get('--seed')
  if (seed !== undefined) return { first: count(seed), last: count(seed), minutes: Infinity, ...how }
  const range = options.get('--seeds')
  if (range !== undefined) {
    const [first, last] = range.split('..')
    return { first: count(first), last: count(last), minutes: Infinity, ...how }
  }
  const from = options.get('--from')
  const minutes = powerLosses > 0 ? Infinity : Number(options.get('--minutes') ?? '1')
  if (!(minutes > 0)) throw new Error(`--minutes must be a number above 0\n${USAGE}`)
  return { first: from === undefined ? randomSeed() : count(from), last: Infinity, minutes, ...how }
}

function count(text: string | undefined): number {
  const value = Number(text)
  if (text === undefined || text === '' || !Number.isSafeInteger(value) || value < 0) {
    throw new Error(`not a whole number: ${text}\n${USAGE}`)
  }
  return value
}
