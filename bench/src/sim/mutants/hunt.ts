/**
 * Runs in a child process with a planted bug: simulates seeds from 1 on until one of them violates an invariant, telling
 * its parent about each, one JSON object a line. Its argument holds options (JSON) in place of the drawn ones.
 */
import { drawBrokerOptions } from '@stratalog/broker/simulation'
import { runChecked } from '../checked-run.ts'
import type { Mutant } from './mutant.ts'

async function hunt(focus: Mutant['focus']): Promise<void> {
  for (let seed = 1; ; seed++) {
    console.log(JSON.stringify({ seed }))
    const { violation } = await runChecked({ ...drawBrokerOptions(seed), ...focus })
    if (violation === null) continue
    console.log(JSON.stringify({ seed, invariant: violation.invariant, detail: violation.message }))
    return
  }
}

await hunt(JSON.parse(process.argv[2]!))
