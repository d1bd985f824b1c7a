/**
 * Runs in a child process, on a copy of raft-ts with a planted bug: simulates seeds from 1 on until one of them violates
 * an invariant, with the options given as its argument (JSON) in place of the drawn ones, telling its parent about each, one JSON object per line.
 */
import { drawOptions, simulate } from '../../testing/sim/index.ts'
import type { Focus } from './mutant.ts'

function hunt(focus: Focus): void {
  for (let seed = 1; ; seed++) {
    console.log(JSON.stringify({ seed }))
    try {
      const { violation } = simulate(focusOn(seed, focus))
      if (violation === null) continue
      console.log(JSON.stringify({ seed, invariant: violation.invariant, detail: violation.message }))
    } catch (error) {
      console.log(JSON.stringify({ seed, invariant: 'exception', detail: String(error) }))
    }
    return
  }
}

function focusOn(seed: number, focus: Focus): ReturnType<typeof drawOptions> {
  const drawn = drawOptions(seed)
  return { ...drawn, ...focus, raft: { ...drawn.raft, ...focus.raft } }
}

hunt(JSON.parse(process.argv[2]!))
