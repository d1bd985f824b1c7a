/** Loads an optional native package: present in most installs, absent where no prebuilt binary exists. */
import { createRequire } from 'node:module'

const require = createRequire(import.meta.url)

/** The package's exports, or null when it is not installed or has no binary for this platform. */
export function loadNative<Module>(packageName: string): Module | null {
  try {
    return require(packageName) as Module
  } catch {
    return null
  }
}
