/**
 * `stratalog demo`, which is what `npm start` runs: a local cluster with real records in it.
 */
import { Command, Option } from 'commander'
import { integerArgument } from './shared-options.ts'

/** Options of `demo`. */
export interface DemoOptions {
  readonly data: string
  readonly port: number
}

/** The command. */
export function demoCommand(): Command {
  return new Command('demo')
    .description('run a local cluster, load 20,000 real flights into it and read them back')
    .addOption(new Option('--data <dir>', 'folder of the data').env('STRATALOG_DEMO_DATA').default('./data'))
    .addOption(
      new Option('--port <port>', 'port of the broker; 0 takes a free one')
        .env('STRATALOG_DEMO_PORT')
        .argParser(integerArgument(0, 65_535))
        .default(9400),
    )
    .action(async (options: DemoOptions) => (await import('../demo/run-demo.ts')).runDemo(options))
}
