/** The confchange scripts: simple and joint changes, and what they do to configuration and progress. */
import type { ConfChangeStep, ConfState } from '../../core/conf-change.ts'
import { confStateOf } from '../../core/conf-change.ts'
import {
  enterJoint,
  leaveJoint,
  type MembershipError,
  type MembershipResult,
  simpleChange,
} from '../../core/membership.ts'
import { Tracker } from '../../core/tracker.ts'
import { argOf, type Directive } from './datadriven.ts'
import { describeConfig, describeProgress } from './describe.ts'

const ERRORS: Record<MembershipError, string> = {
  'already-joint': 'config is already joint',
  'not-joint': "can't leave a non-joint config",
  'no-voters': "can't make a zero-voter config joint",
  joint: "can't apply simple config change in joint config",
  'several-voters': 'more than one voter changed without entering joint config',
  'all-voters-removed': 'removed all voters',
}

const KINDS = { v: 'add-voter', l: 'add-learner', r: 'remove', u: 'update' } as const

/** Reads `v1 l2 r3 u4`. The scripts' node 0 means "never mind". */
export function parseSteps(text: string): ConfChangeStep[] {
  const words = text.split(/\s+/).filter((word) => word !== '')
  const steps = words.map((word) => ({ kind: KINDS[word[0] as keyof typeof KINDS], id: Number(word.slice(1)) }))
  return steps.filter((step) => step.id !== 0)
}

/** One script's state: each command works on what the last one left. */
export class ConfChangeSuite {
  readonly #tracker: Tracker = new Tracker(confStateOf([]), 10, Number.POSITIVE_INFINITY)
  #lastIndex = 0

  run(directive: Directive): string {
    const result = this.#apply(directive, this.#tracker.confState)
    const probeFrom = Math.max(this.#lastIndex, 1) - 1
    this.#lastIndex++
    if (result.kind === 'refused') return ERRORS[result.reason]
    this.#tracker.configure(result.confState, result.fresh, probeFrom)
    const lines = this.#tracker.members.map((peer) => `${peer.id}: ${describeProgress(peer)}`)
    return [describeConfig(this.#tracker.confState), ...lines].join('\n')
  }

  #apply(directive: Directive, confState: ConfState): MembershipResult {
    const steps = parseSteps(directive.input)
    switch (directive.command) {
      case 'simple':
        return simpleChange(confState, steps)
      case 'enter-joint':
        return enterJoint(confState, argOf(directive.args, 'autoleave')?.[0] === 'true', steps)
      case 'leave-joint':
        return leaveJoint(confState)
      default:
        throw new Error(`unknown command ${directive.command}`)
    }
  }
}
