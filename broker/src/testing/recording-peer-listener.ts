/** Listens to a peer network and keeps what it hears, for tests. */
import { StratalogError } from '@stratalog/proto'
import type { Message } from 'raft-ts'
import type { PeerIdentity, PeerListener } from '../peer/peer-port.ts'

/** A request handler by kind. */
export type RequestHandler = (body: Buffer, from: PeerIdentity) => Promise<Buffer>

/** See the file's header. Answers `echo` with what was asked; further kinds can be set. */
export class RecordingPeerListener implements PeerListener {
  readonly messages: Message<Buffer>[] = []
  readonly unsent: Message<Buffer>[] = []
  /** Kind, body and sender. */
  readonly news: [string, string, number][] = []
  /** `up 2`, `down 2`, in order. */
  readonly events: string[] = []
  readonly handlers: Map<string, RequestHandler> = new Map([['echo', async (body) => body]])
  /** See the port. */
  mayReplicateNow = true
  refuse: (peer: PeerIdentity) => string | null = () => null
  /** Called besides. */
  also: ((message: Message<Buffer>) => void) | null = null
  #asked: PeerIdentity[] = []

  /** Who asked whether it may replicate. */
  get askedBy(): readonly PeerIdentity[] {
    return this.#asked
  }

  mayReplicate(peer: PeerIdentity): boolean {
    this.#asked.push(peer)
    return this.mayReplicateNow
  }

  refusal(peer: PeerIdentity): string | null {
    return this.refuse(peer)
  }

  onMessage(message: Message<Buffer>): void {
    this.messages.push(message)
    this.also?.(message)
  }

  onSendFailed(message: Message<Buffer>): void {
    this.unsent.push(message)
  }

  async onRequest(kind: string, body: Buffer, from: PeerIdentity): Promise<Buffer> {
    const handler = this.handlers.get(kind)
    if (handler === undefined) throw new StratalogError('INVALID_REQUEST', `no request is called ${kind}`)
    return handler(body, from)
  }

  onNews(kind: string, body: Buffer, from: number): void {
    this.news.push([kind, body.toString(), from])
  }

  onPeerUp({ brokerId }: PeerIdentity): void {
    this.events.push(`up ${brokerId}`)
  }

  onPeerDown(brokerId: number): void {
    this.events.push(`down ${brokerId}`)
  }
}
