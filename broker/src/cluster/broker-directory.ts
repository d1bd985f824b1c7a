/**
 * Where the other brokers are, and which of those who connect are who they say.
 *
 * Addresses come from the registrations in the metadata; those that this broker was configured with win, so that an
 * operator can route around what the others advertise. Pure: it reads the image it is given.
 */
import type { MetadataImage } from '../controller/metadata-image.ts'
import type { PeerAddress, PeerIdentity } from '../peer/peer-port.ts'

/** What a directory is made of. */
export interface BrokerDirectoryOptions {
  readonly brokerId: number
  /** Addresses from this broker's own configuration. */
  readonly configured: ReadonlyMap<number, PeerAddress>
  /** Addresses that a newcomer was told, until the image has them. */
  readonly introduced: () => ReadonlyMap<number, PeerAddress>
  readonly image: () => MetadataImage
  /** The cluster that this broker belongs to; null while it does not know. */
  readonly clusterId: () => string | null
}

/** See the file's header. */
export class BrokerDirectory {
  readonly #options: BrokerDirectoryOptions

  constructor(options: BrokerDirectoryOptions) {
    this.#options = options
  }

  /** All brokers that this one is to be connected with, itself left out. */
  addresses(): Map<number, PeerAddress> {
    const { brokerId, configured, introduced, image } = this.#options
    const addresses = new Map(introduced())
    for (const broker of image().brokers.values()) {
      addresses.set(broker.brokerId, { host: broker.peerHost, port: broker.peerPort })
    }
    for (const [id, address] of configured) addresses.set(id, address)
    addresses.delete(brokerId)
    return addresses
  }

  /** Why a peer is not talked to, in a sentence; null to go on. */
  refusal(peer: PeerIdentity): string | null {
    const { brokerId, clusterId } = this.#options
    if (peer.brokerId === brokerId) return `it has this broker's own id, ${brokerId}`
    const own = clusterId()
    if (own === null || peer.clusterId === null || own === peer.clusterId) return null
    return `broker ${peer.brokerId} belongs to cluster ${peer.clusterId}, this one to ${own}`
  }

  /**
   * Whether a peer's Raft messages may count. A folder that was wiped, or put back from an old copy, has forgotten what
   * it voted for and acknowledged: it must register first, which gives its copies new ids. A broker that was started
   * again since this one last heard of it is no such case: it remembers the run that is known here. And one that has
   * registered later than the image here knows of is taken at its word, or nobody could tell this broker the news.
   */
  mayReplicate(peer: PeerIdentity): boolean {
    const known = this.#options.image().brokers.get(peer.brokerId)
    if (known === undefined) return true
    if (known.directoryId === peer.directoryId && peer.runs.includes(known.run)) return true
    // The controllers have judged it since; what it sends may be the very news of that.
    return peer.registeredAt !== null && peer.registeredAt > this.#options.image().metadataOffset
  }
}
