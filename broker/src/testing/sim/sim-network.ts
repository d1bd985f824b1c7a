/** temporary */
import type { PeerLink } from './options.ts'
import type { World } from './world.ts'
export class SimNetwork {
  sentCount = 0
  constructor(_world: World, _link: PeerLink) {}
  weather(_link: PeerLink): void {}
  cut(_from: number, _to: number): void {}
  mend(): void {}
  died(_id: number): void {}
}
