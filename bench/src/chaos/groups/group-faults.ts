/** Faults of a group run: of its members, of brokers, of the group's coordinator. Their times follow the session timeout. */
import type { ActiveFault, FaultContext, FaultKind } from '../nemesis/fault.ts'
import { pick, shuffled } from '../nemesis/fault.ts'
import { PROCESS_FAULTS } from '../nemesis/process-faults.ts'
import type { GroupMember } from './members.ts'

/** What they work on. */
export interface GroupFaultContext extends FaultContext {
  readonly members: readonly GroupMember[]
  /** Number of the broker that coordinates the group; any when nobody does. */
  readonly coordinatorId: () => Promise<number>
}

/** As FaultKind, with members. */
export type GroupFaultKind = Omit<FaultKind, 'begin' | 'damages' | 'brokersMin'> & {
  readonly begin: (context: GroupFaultContext) => Promise<ActiveFault>
}

const SEVERAL = 3
const SLACK_MS = 1000

type GroupFaults = Readonly<Record<string, GroupFaultKind>>

interface Spans {
  readonly around: Span
  readonly beyond: Span
  readonly within: Span
}

type Span = Pick<FaultKind, 'holdMsMin' | 'holdMsMax'>

/** By name. */
export function groupFaults(sessionTimeoutMs: number): GroupFaults {
  const spans = {
    around: { holdMsMin: sessionTimeoutMs / 10, holdMsMax: sessionTimeoutMs + SLACK_MS },
    beyond: { holdMsMin: sessionTimeoutMs + SLACK_MS, holdMsMax: sessionTimeoutMs * 1.5 + SLACK_MS },
    within: { holdMsMin: sessionTimeoutMs / 10, holdMsMax: sessionTimeoutMs / 2 },
  }
  return { ...memberFaults(spans), ...BROKER_FAULTS, ...coordinatorFaults(spans) }
}

function memberFaults({ around, beyond, within }: Spans): GroupFaults {
  return {
    'member-kill': {
      ...around,
      text: 'kill -9 of a member, started again later',
      begin: ({ members, random }) => killed([pick(random, members)]),
    },
    'member-kill-several': {
      ...around,
      text: 'kill -9 of three members at once',
      begin: ({ members, random }) => killed(shuffled(random, members).slice(0, SEVERAL)),
    },
    'member-pause': {
      ...beyond,
      text: 'SIGSTOP of a member past its session timeout, then SIGCONT',
      begin: async ({ members, random }) => paused([pick(random, members)]),
    },
    'member-pause-several': {
      ...beyond,
      text: 'SIGSTOP of three members past their session timeout',
      begin: async ({ members, random }) => paused(shuffled(random, members).slice(0, SEVERAL)),
    },
    'member-hiccup': {
      ...within,
      text: 'SIGSTOP of a member for less than its session timeout',
      begin: async ({ members, random }) => paused([pick(random, members)]),
    },
    'member-restart': {
      ...within,
      text: 'a member closed in order, started again within the session timeout',
      begin: ({ members, random }) => stopped(pick(random, members)),
    },
    'member-away': {
      ...beyond,
      text: 'a member closed in order, started again after the session timeout',
      begin: ({ members, random }) => stopped(pick(random, members)),
    },
    'members-roll': {
      ...within,
      text: 'every member closed in order and started again, one after another',
      begin: async ({ members, random }) => {
        const order = shuffled(random, members)
        for (const member of order) {
          await member.stop()
          await member.start()
        }
        return { detail: order.map(({ name }) => name).join(', '), end: async () => {} }
      },
    },
  }
}

const BROKER_FAULTS: GroupFaults = {
  'broker-kill': PROCESS_FAULTS.kill,
  'leader-kill': PROCESS_FAULTS['kill-leader'],
  'broker-kill-twice': PROCESS_FAULTS['kill-twice'],
  'broker-pause': PROCESS_FAULTS.pause,
  'broker-hiccup': PROCESS_FAULTS.hiccup,
  'broker-stop': PROCESS_FAULTS.stop,
}

function coordinatorFaults({ around }: Spans): GroupFaults {
  return {
    'coordinator-kill': {
      ...around,
      text: "kill -9 of the group's coordinator",
      begin: async (context) => {
        const coordinator = context.cluster.broker(await context.coordinatorId())
        await coordinator.kill()
        return { detail: `broker ${coordinator.brokerId}`, end: () => coordinator.start() }
      },
    },
    'coordinator-pause': {
      ...around,
      text: "SIGSTOP of the group's coordinator: it comes back as one that does not know that it is none",
      begin: async (context) => {
        const coordinator = context.cluster.broker(await context.coordinatorId())
        coordinator.pause()
        return { detail: `broker ${coordinator.brokerId}`, end: async () => coordinator.resume() }
      },
    },
    'coordinator-and-member-kill': {
      ...around,
      text: "kill -9 of the group's coordinator and of a member at once",
      begin: async (context) => {
        const coordinator = context.cluster.broker(await context.coordinatorId())
        const member = pick(context.random, context.members)
        const [active] = await Promise.all([killed([member]), coordinator.kill()])
        const end = async (): Promise<void> => {
          await Promise.all([active.end(), coordinator.start()])
        }
        return { detail: `broker ${coordinator.brokerId}, ${active.detail}`, end }
      },
    },
  }
}

async function killed(members: readonly GroupMember[]): Promise<ActiveFault> {
  await Promise.all(members.map((member) => member.kill()))
  return {
    detail: members.map(({ name }) => name).join(', '),
    end: async () => {
      await Promise.all(members.map((member) => member.start()))
    },
  }
}

function paused(members: readonly GroupMember[]): ActiveFault {
  for (const member of members) member.pause()
  return {
    detail: members.map(({ name }) => name).join(', '),
    end: async () => {
      for (const member of members) member.resume()
    },
  }
}

async function stopped(member: GroupMember): Promise<ActiveFault> {
  await member.stop()
  return { detail: member.name, end: () => member.start() }
}
