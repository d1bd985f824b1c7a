/** The topics of the metadata image as groups need them; topics that did not change are the same objects in each view. */
import type { BrokerImage, MetadataImage, TopicImage } from '../controller/metadata-image.ts'
import { type TopicFacts, type Topics, topicsOf } from '../coordinator/group/topics.ts'

interface Known {
  readonly image: TopicImage
  readonly facts: TopicFacts
}

/** See the file's header. Owner: the hosting of groups. */
export class TopicsView {
  #known = new Map<string, Known>()
  #racks: ReadonlyMap<number, string> = new Map()

  /** The view of an image; to be called with one image after another. */
  of({ topicsById, brokers, metadataOffset }: MetadataImage): Topics {
    const racks = racksOf(brokers)
    const sameRacks = isSame(racks, this.#racks)
    const known = new Map<string, Known>()
    for (const image of topicsById.values()) {
      const former = this.#known.get(image.topicId)
      known.set(image.topicId, sameRacks && former?.image === image ? former : { image, facts: factsOf(image, racks) })
    }
    this.#known = known
    this.#racks = racks
    return topicsOf(
      metadataOffset,
      [...known.values()].map(({ facts }) => facts),
    )
  }
}

function factsOf({ name, topicId, partitions }: TopicImage, racks: ReadonlyMap<number, string>): TopicFacts {
  const racksOfPartitions = partitions.map(({ replicas }) => [
    ...new Set(replicas.map(({ brokerId }) => racks.get(brokerId)).filter((rack) => rack !== undefined)),
  ])
  return { name, topicId, partitionCount: partitions.length, racks: racks.size === 0 ? null : racksOfPartitions }
}

/** Of the brokers that have one. */
function racksOf(brokers: ReadonlyMap<number, BrokerImage>): ReadonlyMap<number, string> {
  const racks = new Map<number, string>()
  for (const { brokerId, rack } of brokers.values()) if (rack !== '') racks.set(brokerId, rack)
  return racks
}

function isSame(left: ReadonlyMap<number, string>, right: ReadonlyMap<number, string>): boolean {
  return left.size === right.size && [...left].every(([brokerId, rack]) => right.get(brokerId) === rack)
}
