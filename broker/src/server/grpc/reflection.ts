/**
 * gRPC server reflection, so that grpcurl and the like need no .proto files.
 *
 * `@grpc/reflection` brings a protobuf parser of its own; it is loaded on demand, after the broker is ready, so that
 * it costs nothing at start and nothing at all when it is switched off.
 */
import { dirname, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Server } from '@grpc/grpc-js'

const SCHEMA_FILES: readonly string[] = [
  'stratalog/v1/produce.proto',
  'stratalog/v1/fetch.proto',
  'stratalog/v1/metadata.proto',
  'stratalog/v1/admin.proto',
  'stratalog/v1/groups.proto',
  'grpc/health/v1/health.proto',
]

/** Adds the reflection services (v1 and v1alpha) of what this broker serves. Rejects when a package is missing. */
export async function addReflection(server: Server): Promise<void> {
  const [{ ReflectionService }, { load }] = await Promise.all([
    import('@grpc/reflection'),
    import('@grpc/proto-loader'),
  ])
  const schema = resolve(
    dirname(fileURLToPath(import.meta.resolve('@stratalog/proto/schema/google/rpc/status.proto'))),
    '../..',
  )
  const definition = await load([...SCHEMA_FILES], { includeDirs: [schema] })
  new ReflectionService(definition).addToServer(server)
}
