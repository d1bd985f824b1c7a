/** Where every simulated broker keeps its copies. */

/** Of partitions. */
export const TOPICS_DIRECTORY = '/data/topics'
/** Of the metadata log. */
export const METADATA_DIRECTORY = '/data/metadata'
