/**
 * What the worker process and an engine lane say to each other. Types only.
 *
 * A lane does one thing after the other and answers every request once, in order: an answer belongs
 * to the oldest unanswered request. Both ends are one version of one program, so heads are trusted
 * and, for batches, tuples: they are on every query's path.
 */

import type { Datatype } from '../../runtime/wire/tensors.ts';
import type { LatencyPoint } from '../../actors/domain/profile.ts';
import type { ModelFile } from '../../actors/domain/variant.ts';

/** One input or output of a graph, under the graph's own name. */
export interface GraphTensor {
  readonly name: string;
  readonly datatype: Datatype;
  /** Numbers, `batch`, and names of free dimensions. */
  readonly shape: readonly (number | string)[];
}

/** How ONNX Runtime is told to run. */
export interface SessionSettings {
  /** Threads a session, 1 by default: lanes run one each, the lab measures others too. */
  readonly threads?: number | undefined;
  readonly optimisation: 'disabled' | 'basic' | 'extended' | 'all';
  /** ONNX Runtime's own allocator: faster for large activations, and memory is never given back. */
  readonly cpuArena: boolean;
  readonly memoryPattern: boolean;
}

export interface LoadRequest {
  readonly type: 'load';
  readonly session: number;
  readonly file: ModelFile;
  /** Somebody has hashed it just now. */
  readonly verified: boolean;
  readonly inputs: readonly GraphTensor[];
  readonly outputs: readonly GraphTensor[];
  readonly batchMax: number;
  /** Most time to spend on measuring after the load. */
  readonly measureMs: number;
}

export interface UnloadRequest {
  readonly type: 'unload';
  readonly session: number;
}

/** Finish, release every session, end. Not answered. */
export interface CloseRequest {
  readonly type: 'close';
}

/**
 * A batch: session, the shape and the byte length of each of its inputs in the load's order, and
 * the positions of the wanted outputs. The body holds the inputs' joined bytes.
 */
export type RunRequest = readonly [
  session: number,
  shapes: readonly (readonly number[])[],
  byteLengths: readonly number[],
  wanted: readonly number[],
];

export type LaneRequest = LoadRequest | UnloadRequest | CloseRequest | RunRequest;

/**
 * What a lane runs: the shapes and byte lengths of the wanted outputs; the body holds the bytes.
 */
export type RanReply = readonly [
  inferMs: number,
  shapes: readonly (readonly number[])[],
  byteLengths: readonly number[],
];

export type LaneReply =
  /** Once, unasked, when the lane can work. */
  | { readonly type: 'ready' }
  | {
      readonly type: 'loaded';
      readonly loadMs: number;
      readonly memoryBytes: number;
      readonly measured: readonly LatencyPoint[];
    }
  | { readonly type: 'unloaded' }
  /** The request failed; the lane and its other sessions go on. */
  | { readonly type: 'failed'; readonly message: string }
  | RanReply;

/** What an engine host is told when it starts, as one JSON argument. */
export interface HostSettings {
  readonly lanes: number;
  readonly frameBytesMax: number;
  readonly session: SessionSettings;
}

/** What a lane's thread is told when it starts. */
export interface LaneSettings {
  /** Inherited end of the socket to the worker process. */
  readonly fd: number;
  readonly frameBytesMax: number;
  readonly session: SessionSettings;
}
