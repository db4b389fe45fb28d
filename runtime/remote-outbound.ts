/**
 * The sending half of remoting: from a ref of another node to a frame on its subject.
 *
 * A query crosses this twice, so it is kept lean: one encode, no promise, no closure a message.
 * What is known to lead nowhere is refused with its reason; everything else is given to the bus.
 */

import type { ActorHost, Address, DeadLetterReason, NodeId, Refusal } from './actor.ts';
import type { Bus } from './bus.ts';
import { defaultReassemblyLimits, publishInChunks } from './chunks.ts';
import type { Clock } from './clock.ts';
import { messageOf } from './errors.ts';
import type { Logger } from './log.ts';
import type { Metrics } from './metrics.ts';
import type { NodeDirectory, NodeRecord } from './node-directory.ts';
import type { RuntimeMessage } from './remote-watches.ts';
import { type Delivery, encodeEnvelope, type Envelope, wireVersion } from './wire/envelope.ts';

export interface OutboundOptions {
  readonly host: ActorHost;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly directory: NodeDirectory;
  readonly messageBytesMax?: number;
  readonly refuseTooLarge?: RefuseTooLarge;
}

/** The receiver would drop it unseen, so that its sender must say so to whoever waits. Pure. */
export type RefuseTooLarge = (
  to: Address,
  message: unknown,
  bytes: number,
  bytesMax: number,
) => Refusal | undefined;

/** Anything an actor tells: a `type`, and what it says about its own delivery. */
type Outgoing = { readonly type?: unknown; readonly delivery?: Delivery } & Record<string, unknown>;

export class Outbound {
  private readonly options: OutboundOptions;
  private readonly messageBytesMax: number;
  private sent = 0;
  private chunked = 0;
  private stopped = false;

  constructor(options: OutboundOptions) {
    this.options = options;
    this.messageBytesMax = options.messageBytesMax ?? defaultReassemblyLimits.messageBytesMax;
  }

  /** Gives the message on, or says why not. */
  send(to: Address, message: unknown): DeadLetterReason | undefined {
    if (this.stopped) return 'bus-refused';
    const { host, clock, directory } = this.options;
    const record = directory.find(to.node) ?? directory.ensure(to.node, clock.nowMs());
    if (record === undefined) {
      if (to.node !== host.node) return 'node-unreachable';
      if (to.epoch !== 0 && to.epoch !== host.epoch) return 'stale-epoch';
      return host.deliver(to.path, message);
    }
    if (to.epoch !== 0) {
      if (to.epoch < record.epoch) return 'stale-epoch';
      if (to.epoch === record.epoch && record.state === 'down') return 'node-unreachable';
    }
    return this.post(record, to, message as Outgoing);
  }

  /**
   * To the runtime of a node, under that epoch (0: any). Also to one that counts as down: if it
   * lives after all, it must hear this. False when the bus refused.
   */
  postRuntime(node: NodeId, epoch: number, message: RuntimeMessage): boolean {
    if (this.stopped) return true;
    const record = this.options.directory.ensure(node, this.options.clock.nowMs());
    return (
      record === undefined ||
      this.post(record, { node, epoch, path: '' }, { ...message }) === undefined
    );
  }

  stop(): void {
    this.stopped = true;
  }

  report(): void {
    if (this.sent > 0) this.options.metrics.count('remote_messages_sent', this.sent);
    this.sent = 0;
  }

  private post(record: NodeRecord, to: Address, message: Outgoing): DeadLetterReason | undefined {
    const { host, bus, clock, log } = this.options;
    const { type, delivery, ...body } = message;
    if (typeof type !== 'string') return 'undecodable';
    this.sent += 1;
    const envelope: Envelope = {
      version: wireVersion,
      type,
      toPath: to.path,
      toEpoch: to.epoch,
      fromNode: host.node,
      fromEpoch: host.epoch,
      sentAtMs: clock.nowMs(),
      delivery,
      body,
    };
    try {
      const frame = encodeEnvelope(envelope);
      if (frame.length > this.messageBytesMax) return this.tooLarge(to, message, frame.length);
      return frame.length <= bus.payloadMax
        ? bus.publish(record.subject, frame, record.noResponders)
        : this.postInChunks(record, frame);
    } catch (error) {
      log.error('a message could not be sent', { to: record.node, type, error: messageOf(error) });
      return 'undecodable';
    }
  }

  private tooLarge(to: Address, message: Outgoing, bytes: number): DeadLetterReason | undefined {
    const { host, log, refuseTooLarge } = this.options;
    const { messageBytesMax } = this;
    log.warn('a message is too large', { to: to.node, type: message.type, bytes, messageBytesMax });
    const refusal = refuseTooLarge?.(to, message, bytes, messageBytesMax);
    if (refusal === undefined) return 'too-large';
    host.tell(refusal.to, refusal.message as never);
    return undefined;
  }

  private postInChunks(record: NodeRecord, frame: Uint8Array): DeadLetterReason | undefined {
    const { host, bus } = this.options;
    this.chunked += 1;
    const from = { fromNode: host.node, fromEpoch: host.epoch, messageId: this.chunked };
    return publishInChunks(frame, bus.payloadMax, from, (chunk, index) =>
      // Once a message is enough to learn that nobody is there.
      bus.publish(record.subject, chunk, index === 0 ? record.noResponders : undefined),
    );
  }
}
