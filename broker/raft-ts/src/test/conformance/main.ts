/** `pnpm conformance [name]`: runs etcd/raft's scripts against raft-ts and prints both scores. */
import { runScripts, scriptsDirectory } from './score.ts'

const directory = scriptsDirectory()
if (directory === null) {
  console.log('conformance: skipped, no scripts at hand (set RAFT_CONFORMANCE_DIR to a folder with them)')
} else {
  const score = runScripts(directory, process.argv[2])
  for (const failure of score.failures) {
    console.log(`--- ${failure.script}:${failure.line} ${failure.command}`)
    console.log(`expected:\n${failure.expected}\nactual:\n${failure.actual}\n`)
  }
  console.log(
    `conformance: ${score.scripts} scripts, semantic ${score.semantic}/${score.directives}, strict ${score.strict}/${score.directives}`,
  )
  if (score.semantic < score.directives) process.exitCode = 1
}
