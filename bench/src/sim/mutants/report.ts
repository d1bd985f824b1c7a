/** The table of planted bugs, as markdown. */
import type { Hunt } from './runner.ts'

const HEADING = '## Planted bugs'

/** The page with this report in place of the one that ends it. */
export function replaceReport(page: string, report: string): string {
  const at = page.indexOf(`${HEADING}\n`)
  if (at === -1) throw new Error(`the page has no "${HEADING}"`)
  return page.slice(0, at) + report
}

/** Renders the section of the page. */
export function reportOf(hunts: readonly Hunt[], budgetMinutes: number): string {
  const caught = hunts.filter(({ invariant }) => invariant !== null)
  const seconds = hunts.map((hunt) => hunt.seconds).sort((a, b) => a - b)
  return [
    HEADING,
    '',
    `${caught.length} of ${hunts.length} planted bugs are caught by the simulation, each within ${budgetMinutes} minutes; ` +
      `half of them within ${Math.round(seconds[seconds.length >> 1] ?? 0)} s, the slowest in ` +
      `${Math.round(seconds[seconds.length - 1] ?? 0)} s. Seeds are tried from 1 on: the seed says how many runs it took.`,
    '',
    'Written by `pnpm mutants --broker --write`; the edits are in `bench/src/sim/mutants`.',
    '',
    '| Planted bug | Met in | Caught by | Seed | Seconds |',
    '| --- | --- | --- | ---: | ---: |',
    ...hunts.map(
      ({ mutant, invariant, seed, seconds: took }) =>
        `| ${mutant.name} | ${mutant.source} | ${invariant ?? '**not caught**'} | ${seed} | ${took.toFixed(1)} |`,
    ),
    '',
  ].join('\n')
}
