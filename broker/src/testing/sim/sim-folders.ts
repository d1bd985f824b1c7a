/** Where every simulated broker keeps its partitions. */

/** `topics` folder. */
export const TOPICS_DIRECTORY = '/data/topics'

/** Where its copy of the metadata log is. */
export const METADATA_DIRECTORY = '/data/metadata'
