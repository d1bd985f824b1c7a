/**
 * What the `sim` command was asked for: one seed, a range of them, or as many as fit into some minutes.
 */

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
}

/** How to call it. */
export const USAGE = `pnpm sim --seed N [--trace]     one seed
pnpm sim --seeds A..B           a range of seeds
pnpm sim --minutes M [--from N] random seeds, or those from N on, for some minutes
   --twice                      run each seed twice and compare the trace hashes`

/** Reads the command line. Throws an Error whose message says what is wrong and how to call it. */
export function parseArguments(argv: readonly string[], randomSeed: () => number): SimArguments {
  const options = new Map<string, string>()
  for (let i = 0; i < argv.length; i++) {
    const name = argv[i]!
    if (name === '--') continue
    if (name === '--trace' || name === '--twice') options.set(name, '')
    else if (['--seed', '--seeds', '--minutes', '--from'].includes(name)) options.set(name, argv[++i] ?? '')
    else throw new Error(`unknown argument ${name}\n${USAGE}`)
  }
  const trace = options.has('--trace')
  const twice = options.has('--twice')
  const seed = options.get('--seed')
  if (seed !== undefined) return { first: count(seed), last: count(seed), minutes: Infinity, trace, twice }
  const range = options.get('--seeds')
  if (range !== undefined) {
    const [first, last] = range.split('..')
    return { first: count(first), last: count(last), minutes: Infinity, trace, twice }
  }
  const from = options.get('--from')
  const minutes = Number(options.get('--minutes') ?? '1')
  if (!(minutes > 0)) throw new Error(`--minutes must be a number above 0\n${USAGE}`)
  return { first: from === undefined ? randomSeed() : count(from), last: Infinity, minutes, trace, twice }
}

function count(text: string | undefined): number {
  const value = Number(text)
  if (text === undefined || text === '' || !Number.isSafeInteger(value) || value < 0) {
    throw new Error(`not a seed: ${text}\n${USAGE}`)
  }
  return value
}
