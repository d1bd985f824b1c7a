/** Waits for the cluster to become what a caller is to find it as. */
import type { Clock } from '../replication/tick-loop.ts'
import type { ClusterView } from './cluster-view.ts'

/** Resolves once `isSo`, looked at now and whenever the view changes; false when it is not within the time. */
export function whenClusterIs(
  cluster: Pick<ClusterView, 'onChange'>,
  clock: Pick<Clock, 'schedule'>,
  isSo: () => boolean,
  timeoutMs: number,
): Promise<boolean> {
  if (isSo()) return Promise.resolve(true)
  return new Promise((resolve) => {
    const finish = (outcome: boolean): void => {
      cancel()
      stopListening()
      resolve(outcome)
    }
    const cancel = clock.schedule(timeoutMs, () => finish(isSo()))
    const stopListening = cluster.onChange(() => {
      if (isSo()) finish(true)
    })
  })
}
