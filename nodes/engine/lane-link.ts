/**
 * A lane as the worker process sees it: a socket, the requests sent there, oldest first, and those
 * that wait for their turn by deadline. The oldest sent is what the lane works on, so it is the one
 * whose time counts.
 */

import type { Socket } from 'node:net';

import { CoreQueue, type WaitingBatch } from '../../actors/instance/core-queue.ts';
import type { VariantId } from '../../actors/domain/variant.ts';
import { FrameRejected, messageOf } from '../../runtime/errors.ts';
import { decode, plainBytes } from '../../runtime/wire/codec.ts';
import { encodeFrame, type FrameBody, FrameReader, writeChunks } from './frames.ts';
import type { LaneReply, LaneRequest } from './messages.ts';

/** What is no batch goes first: it has `priority` Infinity. */
export interface LaneTask extends WaitingBatch {
  readonly variantId: VariantId;
  /** For messages: `a batch of 8`, `loading`. */
  readonly what: string;
  /** Beyond this the lane counts as hung. */
  readonly limitMs: number;
  /** `body` may be kept. */
  readonly answered: (reply: LaneReply, body: Uint8Array) => void;
}

export interface LaneLinkOptions {
  readonly socket: Socket;
  readonly frameBytesMax: number;
  readonly ready: () => void;
  /** The lane sent what no lane of ours sends. */
  readonly broken: (message: string) => void;
}

/** Time constant of the utilisation, milliseconds. */
const utilisationMs = 5_000;

/** Sent to the lane at once: one runs, and it need not idle until the next comes. */
const sentMax = 2;

interface Unsent extends WaitingBatch {
  readonly task: LaneTask;
  readonly chunks: readonly Uint8Array[];
}

export class LaneLink {
  /** The variants of the instances that live here. */
  readonly residents: VariantId[] = [];
  private readonly options: LaneLinkOptions;
  /** Sent and not answered. */
  private readonly tasks: LaneTask[] = [];
  private readonly unsent = new CoreQueue<Unsent>();
  private isReady = false;
  /** When the oldest task became the oldest. */
  private startedMs = 0;
  private suspectSinceMs: number | undefined;
  private busyMs = 0;
  private busyAtMs = performance.now();

  constructor(options: LaneLinkOptions) {
    this.options = options;
    const { socket, frameBytesMax } = options;
    const reader = new FrameReader({
      frameBytesMax,
      keepChunks: true,
      onFrame: (head, body) => {
        this.take(decode(head) as LaneReply, body);
      },
    });
    socket.on('data', (chunk: Buffer) => {
      try {
        reader.push(plainBytes(chunk));
      } catch (error) {
        if (!(error instanceof FrameRejected)) throw error;
        options.broken(messageOf(error));
      }
    });
    // The process's end tells more than its sockets' errors.
    socket.on('error', () => undefined);
  }

  /** Throws FrameRejected when the request is too large; then nothing was sent. */
  submit(task: LaneTask, request: LaneRequest, body?: FrameBody): void {
    const chunks = encodeFrame(request, body, this.options.frameBytesMax);
    if (this.tasks.length < sentMax) this.send(task, chunks);
    else {
      const { priority, dueMs, late } = task;
      this.unsent.push({ priority, dueMs, late, task, chunks });
    }
  }

  private send(task: LaneTask, chunks: readonly Uint8Array[]): void {
    this.tasks.push(task);
    if (this.tasks.length === 1) this.startedMs = performance.now();
    writeChunks(this.options.socket, chunks);
  }

  private sendNext(): void {
    const next = this.unsent.shift();
    if (next !== undefined) this.send(next.task, next.chunks);
  }

  /** Tells the lane to finish, release and end. */
  close(): void {
    if (this.options.socket.destroyed) return;
    while (this.unsent.length > 0) this.sendNext();
    writeChunks(
      this.options.socket,
      encodeFrame({ type: 'close' } satisfies LaneRequest, undefined, this.options.frameBytesMax),
    );
  }

  /** What the lane is at work on. */
  get current(): LaneTask | undefined {
    return this.isReady ? this.tasks[0] : undefined;
  }

  /**
   * The task that has taken too long, seen so by two checks: in between, this process has read its
   * sockets, so a stall of its own is not taken for a hang of the lane's.
   */
  overdue(nowMs: number): LaneTask | undefined {
    const task = this.current;
    if (task === undefined || nowMs - this.startedMs <= task.limitMs) return undefined;
    const known = this.suspectSinceMs === this.startedMs;
    this.suspectSinceMs = this.startedMs;
    return known ? task : undefined;
  }

  /** Share of its time that the lane was at work lately, 0 to 1. */
  utilisation(nowMs: number): number {
    const current = this.current === undefined ? 0 : nowMs - this.startedMs;
    return Math.min(1, (this.decayedBusyMs(nowMs) + current) / utilisationMs);
  }

  private take(reply: LaneReply, body: Uint8Array): void {
    const nowMs = performance.now();
    if ('type' in reply && reply.type === 'ready') {
      this.isReady = true;
      this.startedMs = nowMs;
      this.options.ready();
      return;
    }
    const task = this.tasks.shift();
    if (task === undefined) {
      this.options.broken('a lane answered what it was not asked');
      return;
    }
    this.busyMs = this.decayedBusyMs(nowMs) + nowMs - this.startedMs;
    this.busyAtMs = nowMs;
    this.startedMs = nowMs;
    this.sendNext();
    task.answered(reply, body);
  }

  private decayedBusyMs(nowMs: number): number {
    return this.busyMs * Math.exp((this.busyAtMs - nowMs) / utilisationMs);
  }
}
