/**
 * The receiving half of remoting: from a frame on our subject to the actor it is meant for.
 *
 * Everything here was written by somebody else. A frame that is malformed, of another wire version,
 * for or from an epoch that is over, or whose body its decoder rejects, is a counted dead letter;
 * it is never an exception, and nothing it claims is allocated unchecked.
 */

import type { ActorHost, Address, NodeId } from './actor.ts';
import { defaultReassemblyLimits, Reassembly } from './chunks.ts';
import type { DeadLetters } from './dead-letters.ts';
import { FrameRejected, messageOf } from './errors.ts';
import type { Logger } from './log.ts';
import type { Metrics } from './metrics.ts';
import type { NodeDirectory, NodeRecord } from './node-directory.ts';
import { parseRuntimeMessage, type RuntimeMessage } from './remote-watches.ts';
import { isEpoch } from './wire/beat.ts';
import { decodeChunk, isChunkFrame } from './wire/chunk.ts';
import { decodeEnvelope, type Delivery, type Envelope } from './wire/envelope.ts';

export interface BodyDecoders {
  /**
   * The message of this type, checked. `body` is the message as it was sent, with its `type` and
   * without its `delivery`, which is attached to what this returns; `delivered` says whether it has
   * one. Throws FrameRejected.
   */
  decode(type: string, body: unknown, delivered: boolean): unknown;
}

export interface InboundOptions {
  readonly host: ActorHost;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly decoders: BodyDecoders;
  readonly directory: NodeDirectory;
  readonly deadLetters: DeadLetters;
  readonly onRuntime: (node: NodeId, epoch: number, message: RuntimeMessage) => void;
  /** A frame says it is from this node, under that epoch. */
  readonly onNamesake: (epoch: number) => void;
  readonly messageBytesMax?: number;
}

const noPath = '';

export class Inbound {
  private readonly options: InboundOptions;
  private readonly reassembly: Reassembly;
  private received = 0;

  constructor(options: InboundOptions) {
    this.options = options;
    const limits = defaultReassemblyLimits;
    const messageBytesMax = options.messageBytesMax ?? limits.messageBytesMax;
    const bytesMax = Math.max(limits.bytesMax, 4 * messageBytesMax);
    this.reassembly = new Reassembly({ ...limits, messageBytesMax, bytesMax });
  }

  /** Takes one frame. Never throws. */
  receive(frame: Uint8Array, nowMs: number): void {
    this.received += 1;
    try {
      if (isChunkFrame(frame)) this.chunk(frame, nowMs);
      else this.envelope(decodeEnvelope(frame), nowMs);
    } catch (error) {
      this.undecodable(error);
    }
  }

  undecodable(error: unknown): void {
    const { host, log, deadLetters } = this.options;
    // Anything else than a rejection is a fault of ours, in a decoder or here.
    if (error instanceof FrameRejected) log.warn('rejected a frame', { error: error.message });
    else log.error('failed on a frame', { error: messageOf(error) });
    deadLetters.add({ node: host.node, epoch: host.epoch, path: noPath }, undefined, 'undecodable');
  }

  countStaleBeat(): void {
    this.options.metrics.count('remote_stale_beats');
  }

  report(nowMs: number): void {
    const { metrics, log } = this.options;
    if (this.received > 0) metrics.count('remote_messages_received', this.received);
    this.received = 0;
    const abandoned = this.reassembly.sweep(nowMs);
    if (abandoned === 0) return;
    metrics.count('remote_chunked_messages_abandoned', abandoned);
    log.warn('abandoned incomplete messages', { abandoned });
  }

  private chunk(frame: Uint8Array, nowMs: number): void {
    const result = this.reassembly.take(decodeChunk(frame), nowMs);
    if (result === undefined) return;
    if ('frame' in result) this.envelope(decodeEnvelope(result.frame), nowMs);
    else this.options.metrics.count('remote_chunks_dropped', 1, { why: result.fault });
  }

  private envelope(envelope: Envelope, nowMs: number): void {
    const { host, directory, deadLetters } = this.options;
    const { fromNode, fromEpoch, toEpoch, toPath } = envelope;
    if (!isEpoch(fromEpoch) || !isEpoch(toEpoch) || !Number.isFinite(envelope.sentAtMs)) {
      throw new FrameRejected('an epoch or a time that is none', fromNode);
    }
    if (fromNode === host.node) {
      this.options.onNamesake(fromEpoch);
      throw new FrameRejected('a message from this node itself', fromNode);
    }
    const record = directory.ensure(fromNode, nowMs);
    if (record === undefined) throw new FrameRejected('a sender that cannot be', fromNode);
    if (!directory.heard(record, fromEpoch, nowMs) || (toEpoch !== 0 && toEpoch !== host.epoch)) {
      const to: Address = { node: host.node, epoch: toEpoch, path: toPath };
      // Its type only: a kept body would keep the whole frame.
      deadLetters.add(to, { type: envelope.type }, 'stale-epoch');
      return;
    }
    if (toPath === noPath) {
      const message = parseRuntimeMessage(envelope.type, envelope.body);
      this.options.onRuntime(fromNode, fromEpoch, message);
    } else {
      this.deliver(envelope, latenessOf(record, envelope, nowMs));
    }
  }

  private deliver({ type, body, delivery, toPath }: Envelope, latenessMs: number): void {
    if (typeof body !== 'object' || body === null || Array.isArray(body)) {
      throw new FrameRejected(`the body of a ${type.slice(0, 64)} is no object`, toPath);
    }
    (body as { type: string }).type = type;
    const message = this.options.decoders.decode(type, body, delivery !== undefined);
    if (delivery !== undefined) {
      (message as { delivery: Delivery }).delivery = lessLateness(delivery, latenessMs);
    }
    this.options.host.deliver(toPath, message);
  }
}

/** An epoch of 0 may be any process of that name: its clock is not the one we have learned. */
function latenessOf(record: NodeRecord, envelope: Envelope, nowMs: number): number {
  return envelope.fromEpoch === 0 ? 0 : record.offset.lateness(envelope.sentAtMs, nowMs);
}

/** What is left of the budget after a stall on the way. */
function lessLateness(delivery: Delivery, latenessMs: number): Delivery {
  if (latenessMs === 0 || delivery.budgetMs === Infinity) return delivery;
  return { ...delivery, budgetMs: Math.max(0, delivery.budgetMs - latenessMs) };
}
