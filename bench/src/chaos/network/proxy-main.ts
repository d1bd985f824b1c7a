/** The proxy's process: targets come first, then rules; each message is answered when it is done. */
import { FaultProxy, type ProxyTarget } from './fault-proxy.ts'
import type { LinkFault } from './link-rules.ts'

/** To the process. */
export type ProxyOrder =
  | { readonly kind: 'listen'; readonly targets: readonly ProxyTarget[] }
  | { readonly kind: 'rules'; readonly faults: readonly LinkFault[] }

let proxy: FaultProxy | null = null

process.on('message', (order: ProxyOrder) => {
  void carryOut(order).then(
    (ports) => process.send?.({ ports }),
    (error: unknown) => {
      console.error(error)
      process.exit(1)
    },
  )
})
process.once('disconnect', () => process.exit(0))

async function carryOut(order: ProxyOrder): Promise<Record<number, number>> {
  if (order.kind === 'rules') {
    proxy?.setRules(order.faults)
    return {}
  }
  const started = await FaultProxy.start(order.targets)
  proxy = started
  return Object.fromEntries(order.targets.map(({ brokerId }) => [brokerId, started.portOf(brokerId)]))
}
