/** The whole table of settings by name: the broker's own and the defaults of topics. */
import type { Setting } from './setting.ts'
import { SETTINGS } from './settings.ts'
import { TOPIC_CREATION_DEFAULTS, topicConfigSettings } from './topic-defaults.ts'

/** All settings by name. */
export function allSettings(): ReadonlyMap<string, Setting<unknown>> {
  return new Map<string, Setting<unknown>>(
    Object.entries({ ...SETTINGS, ...TOPIC_CREATION_DEFAULTS, ...topicConfigSettings() }),
  )
}
