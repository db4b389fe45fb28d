/**
 * Who may live under which name: granting epochs, the pure half of joining.
 *
 * Two processes may believe to be the same node (a worker that was taken for dead and its
 * replacement). The controller gives each life of a node a higher epoch than the one before, by
 * compare-and-set on a record that its store keeps; everybody follows the highest. NATS 2.9 has no
 * lease per key: beats say who lives, epochs say who counts.
 */

import type { NodeId } from './actor.ts';

/** Plain data, to be kept in a store; one a node. */
export interface EpochRecord {
  readonly node: NodeId;
  /** The last epoch granted. */
  readonly epoch: number;
  /** Which process has it. */
  readonly incarnation: string;
  /** Which of that process's requests it was granted to. */
  readonly requestId: string;
  /** By the granting node's clock; for people. */
  readonly grantedAtMs: number;
}

export type EpochRecords = Readonly<Record<NodeId, EpochRecord>>;

export interface EpochRequest {
  readonly node: NodeId;
  readonly incarnation: string;
  /** New for each join and re-join, the same when a join is asked again because no answer came. */
  readonly requestId: string;
  /**
   * The epoch this process has now, 0 at its first join. Set when the grants were lost (a new
   * store): what is granted is higher than this too.
   */
  readonly epochSeen?: number;
}

export interface EpochGrant {
  readonly epoch: number;
  /** False when it answers a request that was granted before: nothing is to be stored. */
  readonly fresh: boolean;
  readonly record: EpochRecord;
  readonly records: EpochRecords;
}

/**
 * The epoch for a request. The same process asking the same again gets the same; anything else, a
 * new process or a process that re-joins after a stall, gets the next one.
 */
export function grantEpoch(
  records: EpochRecords,
  request: EpochRequest,
  nowMs: number,
): EpochGrant {
  const { node, incarnation, requestId } = request;
  const last = Object.hasOwn(records, node) ? records[node] : undefined;
  if (last?.incarnation === incarnation && last.requestId === requestId) {
    return { epoch: last.epoch, fresh: false, record: last, records };
  }
  const epoch = Math.max(last?.epoch ?? 0, request.epochSeen ?? 0) + 1;
  const record: EpochRecord = { node, epoch, incarnation, requestId, grantedAtMs: nowMs };
  return { epoch, fresh: true, record, records: { ...records, [node]: record } };
}
