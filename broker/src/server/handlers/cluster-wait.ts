/** Waits for the cluster to become what a caller is to find it as. */
import type { ClusterView } from '../../cluster/cluster-view.ts'

/** Resolves once `isSo`, looked at now and whenever the view changes; false when it is not within the time. */
export function whenClusterIs(
  cluster: Pick<ClusterView, 'onChange'>,
  isSo: () => boolean,
  timeoutMs: number,
): Promise<boolean> {
  if (isSo()) return Promise.resolve(true)
  return new Promise((resolve) => {
    const finish = (outcome: boolean): void => {
      clearTimeout(timer)
      stopListening()
      resolve(outcome)
    }
    const timer = setTimeout(() => finish(isSo()), timeoutMs)
    const stopListening = cluster.onChange(() => {
      if (isSo()) finish(true)
    })
  })
}
