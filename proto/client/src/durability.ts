/** The wire's durability as a name. */
import { stratalog } from '@stratalog/proto'
import type { Durability } from './admin-types.ts'

/** The name of a durability on the wire; one that this version does not know vouches for the least. */
export function durabilityName(value: stratalog.v1.Durability | null | undefined): Durability {
  if (value === stratalog.v1.Durability.DURABILITY_FSYNCED) return 'fsynced'
  if (value === stratalog.v1.Durability.DURABILITY_REPLICATED) return 'replicated'
  return 'memory'
}
