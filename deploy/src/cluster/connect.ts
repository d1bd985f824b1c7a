/**
 * The client of a command: made from its options, closed when the command is done, however it ends.
 */
import { type Client, type ClientOptions, createClient } from '@stratalog/client'
import type { ClusterOptions } from '../commands/shared-options.ts'

/** Runs `action` with a client and closes it. */
export async function withClient<Result>(
  options: ClusterOptions,
  action: (client: Client) => Promise<Result>,
): Promise<Result> {
  const clientOptions: ClientOptions = {
    clientId: 'stratalog-command',
    ...(options.bootstrap === undefined ? {} : { bootstrap: options.bootstrap }),
    ...(options.timeout === undefined ? {} : { requestTimeoutMs: options.timeout }),
  }
  await using client = createClient(clientOptions)
  return await action(client)
}
