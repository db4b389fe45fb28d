/**
 * The envelope of every message between nodes, and of the runtime's own control messages.
 *
 * Positional on purpose: the header costs a few dozen bytes and no key strings. Fields are
 * appended, never moved; a peer that reads fewer ignores the rest, `wireVersion` changes when that
 * is not enough.
 */

import { FrameRejected } from '../errors.ts';
import { decode, encode } from './codec.ts';

export const wireVersion = 1;

/** W3C trace context, as `traceparent` has it. */
export type TraceContext = string;

/**
 * What a message says about its own delivery. A message that has a `delivery` field carries it in
 * the envelope, and gets it back with the budget reduced by what a stall on the way cost.
 */
export interface Delivery {
  /** 1 for the first try; an answer with an older attempt is stale. */
  readonly attempt: number;
  /** Milliseconds left until the hard bound, at the moment of sending. Infinity: none. */
  readonly budgetMs: number;
  /** 0 (least) to 9. */
  readonly priority: number;
  readonly tenant: string;
  readonly trace?: TraceContext | undefined;
  /** False for a part of an answer that goes on. */
  readonly final: boolean;
}

export const plainDelivery: Delivery = {
  attempt: 1,
  budgetMs: Infinity,
  priority: 0,
  tenant: '',
  final: true,
};

export interface Envelope {
  readonly version: number;
  readonly type: string;
  readonly toPath: string;
  readonly toEpoch: number;
  readonly fromNode: string;
  readonly fromEpoch: number;
  /** The sender's monotonic clock; the receiver compares it with the least offset it has seen. */
  readonly sentAtMs: number;
  readonly delivery: Delivery | undefined;
  readonly body: unknown;
}

type Row = readonly [
  version: number,
  type: string,
  toPath: string,
  toEpoch: number,
  fromNode: string,
  fromEpoch: number,
  sentAtMs: number,
  attempt: number,
  budgetMs: number | null,
  priority: number,
  tenant: string,
  trace: string | null,
  final: boolean,
  hasDelivery: boolean,
  body: unknown,
];

export function encodeEnvelope(envelope: Envelope): Uint8Array {
  const delivery = envelope.delivery ?? plainDelivery;
  const row: Row = [
    envelope.version,
    envelope.type,
    envelope.toPath,
    envelope.toEpoch,
    envelope.fromNode,
    envelope.fromEpoch,
    envelope.sentAtMs,
    delivery.attempt,
    delivery.budgetMs === Infinity ? null : delivery.budgetMs,
    delivery.priority,
    delivery.tenant,
    delivery.trace ?? null,
    delivery.final,
    envelope.delivery !== undefined,
    envelope.body,
  ];
  return encode(row);
}

/** Throws FrameRejected when the bytes are no envelope of a version we speak. */
export function decodeEnvelope(bytes: Uint8Array): Envelope {
  const row = decode(bytes);
  if (!Array.isArray(row) || row.length < 15) throw notAnEnvelope('not an array of 15');
  const fields = row as unknown[];
  const version = numberAt(fields, 0);
  if (version !== wireVersion) throw notAnEnvelope(`wire version ${String(version)}`);
  const budget = fields[8];
  const trace = fields[11];
  return {
    version,
    type: textAt(fields, 1),
    toPath: textAt(fields, 2),
    toEpoch: numberAt(fields, 3),
    fromNode: textAt(fields, 4),
    fromEpoch: numberAt(fields, 5),
    sentAtMs: numberAt(fields, 6),
    delivery:
      fields[13] === true
        ? {
            attempt: numberAt(fields, 7),
            budgetMs: budget === null ? Infinity : numberAt(fields, 8),
            priority: numberAt(fields, 9),
            tenant: textAt(fields, 10),
            ...(typeof trace === 'string' ? { trace } : {}),
            final: fields[12] === true,
          }
        : undefined,
    body: fields[14],
  };
}

function numberAt(fields: readonly unknown[], index: number): number {
  const value = fields[index];
  if (typeof value !== 'number' || Number.isNaN(value)) {
    throw notAnEnvelope(`field ${String(index)} is not a number`);
  }
  return value;
}

function textAt(fields: readonly unknown[], index: number): string {
  const value = fields[index];
  if (typeof value !== 'string') throw notAnEnvelope(`field ${String(index)} is not a string`);
  return value;
}

function notAnEnvelope(what: string): FrameRejected {
  return new FrameRejected(`not an envelope: ${what}`, 'bus');
}
