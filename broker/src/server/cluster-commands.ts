/**
 * Changes of the cluster's shape as the server asks for them: the port to the controllers, wherever they are.
 *
 * Each command is durable when its promise resolves, and this broker's metadata image shows it. With `validateOnly` it
 * is checked and nothing is changed.
 */

/** See the file's header. */
export interface ClusterCommands {
  /**
   * Begins to move a partition. @param brokerIds where it shall be, the preferred leader first.
   * Errors: UNKNOWN_TOPIC_OR_PARTITION, INVALID_REPLICA_ASSIGNMENT, REASSIGNMENT_IN_PROGRESS, NOT_CONTROLLER.
   */
  movePartition(
    topic: string,
    partition: number,
    brokerIds: readonly number[],
    validateOnly?: boolean,
  ): Promise<unknown>
  /** Errors: UNKNOWN_TOPIC_OR_PARTITION, NO_REASSIGNMENT_IN_PROGRESS, NOT_CONTROLLER. */
  cancelMove(topic: string, partition: number): Promise<unknown>
  /** Begins or ends a maintenance. Errors: BROKER_ID_NOT_REGISTERED, QUORUM_WOULD_BE_LOST unless forced, NOT_CONTROLLER. */
  drainBroker(brokerId: number, drained: boolean, validateOnly?: boolean, force?: boolean): Promise<unknown>
  /** Begins to empty a broker for good, or ends it. Errors: as {@link drainBroker}, and INVALID_REPLICATION_FACTOR. */
  decommissionBroker(brokerId: number, decommissioning: boolean, validateOnly?: boolean): Promise<unknown>
}
