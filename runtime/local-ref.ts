/**
 * The ref of an actor of this process: a plain address to everybody, and a pointer to its cell for
 * the runtime, so that the hot path neither hashes a path nor searches a tree.
 *
 * The pointer is a private field: enumeration, JSON, msgpack and structured clone do not see it, so
 * a ref stays plain data. One that went through bytes has lost the pointer and is found by path.
 */

import type { Address, NodeId } from './actor.ts';

export class LocalRef implements Address {
  readonly node: NodeId;
  /** Stamped anew when the node re-joins under a newer epoch; the pointer stays good. */
  epoch: number;
  readonly path: string;
  readonly #cell: object;

  constructor(node: NodeId, epoch: number, path: string, cell: object) {
    this.node = node;
    this.epoch = epoch;
    this.path = path;
    this.#cell = cell;
  }

  /** What is behind a ref of this process; undefined for a plain address. See `Cell.of`. */
  static cellOf(ref: Address): object | undefined {
    return #cell in ref ? ref.#cell : undefined;
  }
}
