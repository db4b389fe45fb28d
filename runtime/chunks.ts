/**
 * Messages larger than the bus takes, cut at the sender and put together again at the receiver.
 *
 * NATS refuses more than its `max_payload`; a batch of images is more. The bus keeps one
 * publisher's order, so parts are missing only when it lost some: then the message is abandoned
 * after a while. What a receiver holds is bounded in messages a sender and in bytes, whatever
 * frames claim.
 */

import { type Chunk, chunkOverheadBytes, encodeChunk } from './wire/chunk.ts';

export interface ReassemblyLimits {
  /** Bytes of one message. */
  readonly messageBytesMax: number;
  /** Messages in the making for each sender; one more abandons its oldest. */
  readonly messagesPerSenderMax: number;
  /** Bytes in the making in all. */
  readonly bytesMax: number;
  /** Milliseconds without a new part after which a message is abandoned. */
  readonly abandonAfterMs: number;
}

export const defaultReassemblyLimits: ReassemblyLimits = {
  messageBytesMax: 64 * 1024 * 1024,
  messagesPerSenderMax: 8,
  bytesMax: 256 * 1024 * 1024,
  abandonAfterMs: 5_000,
};

/** Larger parts would keep a small query behind them waiting; each costs one hop's overhead. */
const partBytesWanted = 1024 * 1024;

/**
 * The chunk frames of `frame`, each at most `payloadMax` bytes. `publish` is called in order and
 * stops the sending when it returns something else than undefined, which is returned.
 */
export function publishInChunks<R>(
  frame: Uint8Array,
  payloadMax: number,
  from: Pick<Chunk, 'fromNode' | 'fromEpoch' | 'messageId'>,
  publish: (chunk: Uint8Array, index: number) => R | undefined,
): R | undefined {
  const partBytes = Math.max(1, Math.min(payloadMax, partBytesWanted) - chunkOverheadBytes);
  const totalBytes = frame.length;
  for (let index = 0; index * partBytes < totalBytes; index += 1) {
    const part = frame.subarray(index * partBytes, (index + 1) * partBytes);
    const refusal = publish(encodeChunk({ ...from, index, partBytes, totalBytes, part }), index);
    if (refusal !== undefined) return refusal;
  }
  return undefined;
}

interface Partial {
  readonly sender: string;
  readonly partBytes: number;
  readonly bytes: Uint8Array;
  readonly seen: Uint8Array;
  missing: number;
  touchedMs: number;
}

/** Why a chunk was put aside; none of them is the receiver's failure. */
export type ChunkFault = 'duplicate' | 'too-large' | 'inconsistent';

export type ChunkResult =
  { readonly frame: Uint8Array } | { readonly fault: ChunkFault } | undefined;

export class Reassembly {
  /** Messages given up since the start: their sender lost parts, or sent too many at once. */
  abandoned = 0;
  private bytes = 0;
  private readonly limits: ReassemblyLimits;
  /** In order of their first part, so the first of a sender is its oldest. */
  private readonly partials = new Map<string, Partial>();

  constructor(limits: ReassemblyLimits = defaultReassemblyLimits) {
    this.limits = limits;
  }

  /** Messages in the making. */
  get waiting(): number {
    return this.partials.size;
  }

  /** Takes a part in; gives the whole frame when it was the last one. */
  take(chunk: Chunk, nowMs: number): ChunkResult {
    const sender = `${chunk.fromNode}#${String(chunk.fromEpoch)}`;
    const key = `${sender}/${String(chunk.messageId)}`;
    const partial = this.partials.get(key) ?? this.begin(key, sender, chunk);
    if (partial === undefined) return { fault: 'too-large' };
    if (partial.partBytes !== chunk.partBytes || partial.bytes.length !== chunk.totalBytes) {
      return { fault: 'inconsistent' };
    }
    if (partial.seen[chunk.index] !== 0) return { fault: 'duplicate' };
    partial.seen[chunk.index] = 1;
    partial.missing -= 1;
    partial.touchedMs = nowMs;
    partial.bytes.set(chunk.part, chunk.index * chunk.partBytes);
    if (partial.missing > 0) return undefined;
    this.forget(key, partial);
    return { frame: partial.bytes };
  }

  /** Gives up what has waited too long; returns how many messages that were. */
  sweep(nowMs: number): number {
    const before = this.abandoned;
    for (const [key, partial] of this.partials) {
      if (nowMs - partial.touchedMs > this.limits.abandonAfterMs) this.abandon(key, partial);
    }
    return this.abandoned - before;
  }

  private begin(key: string, sender: string, chunk: Chunk): Partial | undefined {
    const count = Math.ceil(chunk.totalBytes / chunk.partBytes);
    // A flag a part: a sender of tiny parts must not cost more flags than bytes.
    const cost = chunk.totalBytes + count;
    if (chunk.totalBytes > this.limits.messageBytesMax) return undefined;
    if (this.bytes + cost > this.limits.bytesMax) return undefined;
    this.makeRoomFor(sender);
    const partial: Partial = {
      sender,
      partBytes: chunk.partBytes,
      bytes: new Uint8Array(chunk.totalBytes),
      seen: new Uint8Array(count),
      missing: count,
      touchedMs: 0,
    };
    this.partials.set(key, partial);
    this.bytes += cost;
    return partial;
  }

  private makeRoomFor(sender: string): void {
    let held = 0;
    let oldest: [string, Partial] | undefined;
    for (const entry of this.partials) {
      if (entry[1].sender !== sender) continue;
      held += 1;
      oldest ??= entry;
    }
    if (held >= this.limits.messagesPerSenderMax && oldest !== undefined) this.abandon(...oldest);
  }

  private abandon(key: string, partial: Partial): void {
    this.abandoned += 1;
    this.forget(key, partial);
  }

  private forget(key: string, partial: Partial): void {
    this.partials.delete(key);
    this.bytes -= partial.bytes.length + partial.seen.length;
  }
}
