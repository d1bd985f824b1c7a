/**
 * The other side of a peer connection as bytes, for tests: says and hears frames one by one, and whatever no broker of
 * ours would say.
 */
import { connect, createServer, type Server, type Socket } from 'node:net'
import { decodeFrame, encodeFrame, type PeerFrame, PROTOCOL_VERSION } from '../peer/frame-codec.ts'
import type { PeerAddress, PeerIdentity } from '../peer/peer-port.ts'
import { FrameReader } from '../peer/tcp/frame-reader.ts'
import { waitFor } from './wire-client.ts'

const LIMITS = { frameBytesMax: 512 * 1024 * 1024, headerBytesMax: 64 * 1024 * 1024 }

/** Who a raw peer says it is. */
export function rawIdentity(brokerId: number, parts: Partial<PeerIdentity> = {}): PeerIdentity {
  return {
    clusterId: 'c',
    brokerId,
    directoryId: `directory-${brokerId}`,
    runs: ['first'],
    registeredAt: null,
    version: '0.1.0',
    ...parts,
  }
}

/** A hello of a raw peer. */
export function rawHello(identity: PeerIdentity, channel: 'control' | 'bulk' | 'request' | null): PeerFrame {
  return { kind: 'hello', hello: { protocolVersion: PROTOCOL_VERSION, channel, identity } }
}

/** One connection. */
export class RawPeer {
  readonly socket: Socket
  readonly frames: PeerFrame[] = []
  isClosed = false

  constructor(socket: Socket) {
    this.socket = socket
    const reader = new FrameReader(LIMITS, (header, payload) => {
      const decoded = decodeFrame(header, payload)
      if (decoded.kind === 'frame') this.frames.push(decoded.frame)
      return true
    })
    socket.on('data', (chunk) => reader.push(chunk))
    socket.on('error', () => undefined)
    socket.on('close', () => {
      this.isClosed = true
    })
  }

  /** Connects with somebody. */
  static async dial({ host, port }: PeerAddress): Promise<RawPeer> {
    const socket = connect({ host, port })
    await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject))
    return new RawPeer(socket)
  }

  say(frame: PeerFrame): void {
    const { head, payload } = encodeFrame(frame)
    this.socket.write(Buffer.concat([head, ...payload]))
  }

  /** The first frame of a kind, once it has come. */
  async heard<K extends PeerFrame['kind']>(kind: K): Promise<Extract<PeerFrame, { readonly kind: K }>> {
    const find = () =>
      this.frames.find((frame): frame is Extract<PeerFrame, { readonly kind: K }> => frame.kind === kind)
    await waitFor(() => find() !== undefined, `a frame of kind ${kind}`)
    return find()!
  }

  /** Resolves when the other side has closed it. */
  closed(): Promise<void> {
    return waitFor(() => this.isClosed, 'the end of the connection')
  }
}

/** Listens as a broker would, and leaves what comes to the test. */
export class RawListener {
  readonly peers: RawPeer[] = []
  readonly #server: Server

  private constructor(accept: (peer: RawPeer) => void) {
    this.#server = createServer((socket) => {
      const peer = new RawPeer(socket)
      this.peers.push(peer)
      accept(peer)
    })
  }

  /** @param accept what to do with each connection. */
  static async start(accept: (peer: RawPeer) => void): Promise<RawListener> {
    const listener = new RawListener(accept)
    await new Promise<void>((resolve) => listener.#server.listen(0, '127.0.0.1', resolve))
    return listener
  }

  get address(): PeerAddress {
    const address = this.#server.address()
    return { host: '127.0.0.1', port: typeof address === 'object' && address !== null ? address.port : 0 }
  }

  close(): void {
    this.#server.close()
    for (const { socket } of this.peers) socket.destroy()
  }
}
