/** Tells operators that a partition's log takes appends again, or none any more. */
import type { LogState } from '../log/log-core.ts'
import type { PartitionName } from './partition-errors.ts'
import type { PartitionLogger } from './partition-types.ts'

/** See the file's header. */
export function logState(logger: PartitionLogger, name: PartitionName, state: LogState): void {
  switch (state.kind) {
    case 'open':
      logger.info(name, 'the disk has room again: writing goes on')
      break
    case 'disk-full':
      logger.error({ ...name, err: state.error, hint: state.error.hint }, 'the disk is full: writing has stopped')
      break
    case 'failed':
      logger.error({ ...name, err: state.error, hint: state.error.hint }, 'the log has failed')
      break
    case 'closed':
      break
  }
}
