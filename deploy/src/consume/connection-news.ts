/**
 * What a reader at a terminal should know of the connections: a line on standard error when one is lost and when it is
 * back, not one per attempt.
 */
import type { StratalogError } from '@stratalog/client'
import type { GroupSubscription, Subscription } from '@stratalog/consumer'

/**
 * Tells news of a subscription.
 *
 * @param onStalled called when no broker has said anything for the consumer's `stallTimeoutMs`.
 */
export function tellConnectionNews(
  subscription: Pick<Subscription, 'on'> | Pick<GroupSubscription, 'on'>,
  say: (line: string) => void,
  onStalled: (error: StratalogError) => void,
): void {
  const lost = new Set<string>()
  subscription.on('disconnected', ({ broker, error }) => {
    if (lost.has(broker)) return
    lost.add(broker)
    say(`lost ${broker}${error === null ? '' : `: ${error.message}`}; trying again\n`)
  })
  subscription.on('connected', ({ broker }) => {
    const isBack = lost.delete(broker)
    if (isBack || lost.size > 0) say(`reading from ${broker}${isBack ? ' again' : ''}\n`)
  })
  subscription.on('stalled', ({ error }) => onStalled(error))
}
