/**
 * A gRPC server for tests of the transport: real grpc-js on loopback, with handlers given by the test. It knows
 * nothing of brokers; what clients do with a broker is tested against the real one.
 */
import { Server, ServerCredentials, type UntypedServiceImplementation } from '@grpc/grpc-js'

interface MethodShape {
  readonly path: string
}

/** Starts a server on loopback with one service per method given. */
export async function startWireServer(
  methods: readonly { readonly method: MethodShape; readonly handler: UntypedServiceImplementation[string] }[],
  port = 0,
): Promise<{ readonly bootstrap: string; readonly port: number; readonly stop: () => void }> {
  const server = new Server()
  for (const { method, handler } of methods) {
    server.addService({ call: method as never }, { call: handler })
  }
  const bound = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`127.0.0.1:${port}`, ServerCredentials.createInsecure(), (error, actual) =>
      error === null ? resolve(actual) : reject(error),
    )
  })
  return { bootstrap: `127.0.0.1:${bound}`, port: bound, stop: () => server.forceShutdown() }
}
