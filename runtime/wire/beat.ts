/**
 * The beat every node sends on one subject, several times a second: that it lives, and under which
 * epoch. The last one says goodbye. Positional like the envelope, fields are appended, never moved.
 */

import { FrameRejected } from '../errors.ts';
import { decode, encode } from './codec.ts';
import { wireVersion } from './envelope.ts';
import { isNodeId } from './subjects.ts';

export interface Beat {
  readonly node: string;
  /** 0 while the node has not joined. */
  readonly epoch: number;
  /** What the node is (worker, gateway, controller); the runtime only passes it on. */
  readonly kind: string;
  /** The sender's monotonic clock. */
  readonly sentAtMs: number;
  /** Distinguishes two processes of one name; empty when another node declares this one dead. */
  readonly incarnation: string;
  /** True for a goodbye. */
  readonly leaving: boolean;
  /** How often the sender lost its bus: when it grows, messages either way may be lost. */
  readonly cuts: number;
}

const fieldCount = 8;

export function encodeBeat(beat: Beat): Uint8Array {
  return encode([
    wireVersion,
    beat.node,
    beat.epoch,
    beat.kind,
    beat.sentAtMs,
    beat.incarnation,
    beat.leaving,
    beat.cuts,
  ]);
}

/** Throws FrameRejected when the bytes are no beat of a version we speak. */
export function decodeBeat(bytes: Uint8Array): Beat {
  const row = decode(bytes);
  if (!Array.isArray(row) || row.length < fieldCount) throw notABeat('not an array of 8');
  const [version, node, epoch, kind, sentAtMs, incarnation, leaving, cuts] = row as unknown[];
  if (version !== wireVersion) throw notABeat(`wire version ${String(version)}`);
  if (typeof node !== 'string' || !isNodeId(node)) throw notABeat('no node name');
  if (!isEpoch(epoch)) throw notABeat('no epoch');
  if (typeof kind !== 'string' || typeof incarnation !== 'string') throw notABeat('no kind');
  if (typeof sentAtMs !== 'number' || !Number.isFinite(sentAtMs)) throw notABeat('no time');
  if (typeof leaving !== 'boolean' || !isEpoch(cuts)) throw notABeat('no state');
  return { node, epoch, kind, sentAtMs, incarnation, leaving, cuts };
}

/** Epochs are counted, from 0. */
export function isEpoch(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function notABeat(what: string): FrameRejected {
  return new FrameRejected(`not a beat: ${what}`, 'bus');
}
