/**
 * Help for a group's name that was mistyped.
 */
import { type AdminClient, isStratalogError, StratalogError } from '@stratalog/client'
import { nearestName } from '@stratalog/proto'

/** Runs `action`; when there is no such group, its error names the nearest one that there is. */
export async function namingNearest<Result>(
  admin: AdminClient,
  groupId: string,
  action: () => Promise<Result>,
): Promise<Result> {
  try {
    return await action()
  } catch (error) {
    if (!isStratalogError(error, 'GROUP_ID_NOT_FOUND')) throw error
    throw await noSuchGroup(admin, groupId, error)
  }
}

/** The error for a group that does not exist, with the nearest name that does. */
export async function noSuchGroup(admin: AdminClient, groupId: string, cause?: unknown): Promise<StratalogError> {
  const groups = await admin.listGroups().then(
    (list) => list.groups,
    () => [],
  )
  const nearest = nearestName(
    groupId,
    groups.map((group) => group.groupId),
  )
  const suggestion = nearest === null ? '' : `; did you mean ${nearest}?`
  return new StratalogError('GROUP_ID_NOT_FOUND', `there is no group ${groupId}${suggestion}`, {
    cause,
    ...(nearest === null ? {} : { metadata: { nearest } }),
  })
}
