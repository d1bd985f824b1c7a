/** Faults of the links between brokers, through the proxy. */
import { between, isolated, type LinkFault, type LinkRule, majoritiesRing, oneWay } from '../network/link-rules.ts'
import { type ActiveFault, type FaultContext, type FaultKind, pick, shuffled, someLeader } from './fault.ts'

const LINKS = { brokersMin: 3, damages: false, holdMsMin: 1500, holdMsMax: 8000 } as const

/** Silence or refusal: TCP connections that hang, or that break. */
function broken(random: () => number): LinkRule {
  return random() < 0.5 ? { isCut: true } : { isRefused: true }
}

/** By name. */
export const NETWORK_FAULTS = {
  cut: {
    ...LINKS,
    text: 'the leader of a partition cut off from all other brokers',
    begin: async (context) => {
      const broker = await someLeader(context)
      return links(context, isolated(broker, context.cluster.ids, broken(context.random)), `broker ${broker}`)
    },
  },
  'one-way-in': {
    ...LINKS,
    text: 'a broker hears no other, and all hear it',
    begin: async (context) => {
      const broker = await someLeader(context)
      return links(context, oneWay(broker, context.cluster.ids, 'in', { isCut: true }), `broker ${broker}`)
    },
  },
  'one-way-out': {
    ...LINKS,
    text: 'a broker hears all others, and none hears it',
    begin: async (context) => {
      const broker = await someLeader(context)
      return links(context, oneWay(broker, context.cluster.ids, 'out', { isCut: true }), `broker ${broker}`)
    },
  },
  ring: {
    ...LINKS,
    text: 'each broker hears a majority, each another one',
    begin: async (context) => {
      const ring = shuffled(context.random, context.cluster.ids)
      return links(context, majoritiesRing(ring, broken(context.random)), `ring ${ring.join(' ')}`)
    },
  },
  split: {
    ...LINKS,
    text: 'no broker hears another one: there is no majority',
    holdMsMax: 4000,
    begin: async (context) => {
      const { ids } = context.cluster
      return links(context, between(ids, ids, broken(context.random)), 'all brokers apart')
    },
  },
  slow: {
    ...LINKS,
    text: 'all links of a broker slow and uneven',
    begin: async (context) => {
      const { random, cluster } = context
      const broker = pick(random, cluster.ids)
      const rule = { delayMs: 20 + Math.floor(random() * 180), jitterMs: 100 }
      return links(context, isolated(broker, cluster.ids, rule), `broker ${broker}, ${rule.delayMs}+100 ms`)
    },
  },
  lossy: {
    ...LINKS,
    text: 'links that hold pieces up as if sent again, and break now and then',
    begin: async (context) => {
      const { ids } = context.cluster
      const rule = { stallChance: 0.05, stallMs: 300, resetChance: 0.002 }
      return links(context, between(ids, ids, rule), 'all links')
    },
  },
  flapping: {
    ...LINKS,
    text: 'a broker cut off and let in again, about as often as elections take',
    holdMsMin: 4000,
    holdMsMax: 10_000,
    begin: async (context) => {
      const { random, cluster } = context
      const broker = await someLeader(context)
      const periodMs = 500 + random() * 1500
      const faults = isolated(broker, cluster.ids, broken(random))
      let isCut = true
      await cluster.proxy?.setRules(faults)
      const timer = setInterval(() => {
        isCut = !isCut
        void cluster.proxy?.setRules(isCut ? faults : [])
      }, periodMs)
      return {
        detail: `broker ${broker}, every ${Math.round(periodMs)} ms`,
        end: async () => {
          clearInterval(timer)
          await cluster.proxy?.setRules([])
        },
      }
    },
  },
} as const satisfies Record<string, FaultKind>

async function links(context: FaultContext, faults: readonly LinkFault[], whom: string): Promise<ActiveFault> {
  const { proxy } = context.cluster
  await proxy?.setRules(faults)
  const how = faults[0]?.rule.isRefused === true ? ', refused' : ''
  return { detail: whom + how, end: async () => proxy?.setRules([]) }
}
