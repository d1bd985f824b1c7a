/** Bad configuration, all problems at once, each naming the setting, what was given, what is allowed and its source. */
import { StartupError } from '../startup-error.ts'

/** One thing that is wrong. */
export interface ConfigProblem {
  /** As it was given: the setting, or the environment variable. */
  readonly name: string
  /** Where it was given: `flag`, `environment variable STRATALOG_...`, `file broker.toml`. */
  readonly source: string
  /** The whole sentence. */
  readonly message: string
}

/** Code `CONFIG_INVALID`. */
export class ConfigError extends StartupError {
  readonly problems: readonly ConfigProblem[]

  constructor(problems: readonly ConfigProblem[]) {
    super('CONFIG_INVALID', problems.map((problem) => problem.message).join('\n'), {
      details: { settings: problems.map((problem) => problem.name).join(',') },
    })
    this.problems = problems
  }
}
