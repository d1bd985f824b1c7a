/**
 * `stratalog segment`: looks into segment files without a broker.
 */
import { Command } from 'commander'
import type { OutputFormat } from '../output/failure.ts'
import { withOutputOption } from './shared-options.ts'

/** Options of `segment dump`. */
export interface SegmentDumpOptions {
  readonly records?: true
  readonly output: OutputFormat
}

/** Options of `segment verify`. */
export interface SegmentVerifyOptions {
  readonly output: OutputFormat
}

const actions = () => import('../segment/segment-actions.ts')

/** The command and its subcommands. */
export function segmentCommand(): Command {
  const segment = new Command('segment').description('look into segment files; the broker may be running or not')
  withOutputOption(segment.command('dump <path>').description('show the batches of a .log file or a partition folder'))
    .option('--records', 'show the records of each batch too')
    .action(async (path: string, options: SegmentDumpOptions) => (await actions()).dumpSegments(path, options))
  withOutputOption(
    segment.command('verify <path>').description('check every batch and index; exit status 6 when damaged'),
  ).action(async (path: string, options: SegmentVerifyOptions) => (await actions()).verifySegments(path, options))
  return segment
}
