/**
 * What this node knows of the others: under which epoch each lives, and whether it still does.
 *
 * A node is up from its first beat under an epoch. It is down when it says goodbye, when the bus
 * finds nobody at its subject, when its parent saw it exit, or when it is silent. Silence is
 * measured in our own beats that came back to us over the bus: while we are cut off, stalled or the
 * bus hangs, none come back, and nobody is judged.
 */

import type { NodeId } from './actor.ts';
import { LeastOffset } from './clock-offset.ts';
import type { Beat } from './wire/beat.ts';
import { isNodeId, nodeSubject } from './wire/subjects.ts';

export type DownReason = 'left' | 'no-responders' | 'declared' | 'silent' | 'superseded';

export type NodeEvent =
  | {
      readonly type: 'up';
      readonly node: NodeId;
      readonly epoch: number;
      readonly kind: string;
      readonly why: 'beat';
    }
  | {
      readonly type: 'down';
      readonly node: NodeId;
      readonly epoch: number;
      readonly kind: string;
      readonly why: DownReason;
    };

export interface NodeView {
  readonly node: NodeId;
  readonly epoch: number;
  readonly kind: string;
  readonly up: boolean;
  /** This node's monotonic clock. */
  readonly lastHeardMs: number;
}

/** `unheard`: spoken to or heard of, but no beat yet under this epoch. */
export type NodeState = 'unheard' | 'up' | 'down';

export interface NodeRecord {
  readonly node: NodeId;
  readonly subject: string;
  /** Given to every publish to this node; made once. */
  readonly noResponders: () => void;
  epoch: number;
  kind: string;
  state: NodeState;
  cuts: number;
  /** A message to it found nobody while everybody was reconnecting. */
  missed: boolean;
  lastHeardMs: number;
  heardAtEcho: number;
  offset: LeastOffset;
}

export interface DirectoryOptions {
  readonly self: NodeId;
  readonly beatMs: number;
  readonly missedMax: number;
  /** The refs of `node` up to `epochMax` lead nowhere any more; told before the event. */
  readonly onGone: (node: NodeId, epochMax: number, why: DownReason) => void;
  readonly onEvent: (event: NodeEvent) => void;
  /** Messages to or from this node may be lost, though it lives. */
  readonly onLoss: (node: NodeId) => void;
  readonly onNoResponders: (record: NodeRecord) => void;
}

/** Names on the bus are remembered up to this many: a limit against a flood of invented ones. */
const nodesMax = 4096;
/** A node that is down is remembered this long, so that its old epoch is known as such. */
const forgetAfterMs = 3_600_000;

export class NodeDirectory {
  private readonly options: DirectoryOptions;
  private readonly records = new Map<NodeId, NodeRecord>();
  /** Our own beats that came back. */
  private echoes = 0;

  constructor(options: DirectoryOptions) {
    this.options = options;
  }

  find(node: NodeId): NodeRecord | undefined {
    return this.records.get(node);
  }

  /** The record of `node`, made when new; undefined for an impossible name or when full. */
  ensure(node: NodeId, nowMs: number): NodeRecord | undefined {
    const known = this.records.get(node);
    if (known !== undefined) return known;
    if (this.records.size >= nodesMax || node === this.options.self || !isNodeId(node)) {
      return undefined;
    }
    const record: NodeRecord = {
      node,
      subject: nodeSubject(node),
      noResponders: () => {
        this.options.onNoResponders(record);
      },
      epoch: 0,
      kind: '',
      state: 'unheard',
      cuts: 0,
      missed: false,
      lastHeardMs: nowMs,
      heardAtEcho: this.echoes,
      offset: new LeastOffset(),
    };
    this.records.set(node, record);
    return record;
  }

  views(): readonly NodeView[] {
    return [...this.records.values()].map(({ node, epoch, kind, state, lastHeardMs }) => {
      return { node, epoch, kind, up: state === 'up', lastHeardMs };
    });
  }

  /**
   * Something came from `record` under `epoch`: false when that epoch is over. An epoch of 0 (not
   * joined yet) is always let in, but says nothing about the epoch we know.
   */
  heard(record: NodeRecord, epoch: number, nowMs: number): boolean {
    if (epoch < record.epoch) return epoch === 0;
    if (epoch > record.epoch) this.advance(record, epoch);
    record.lastHeardMs = nowMs;
    record.heardAtEcho = this.echoes;
    return true;
  }

  /** Returns false when the beat is of an epoch that is over. */
  beat(beat: Beat, nowMs: number): boolean {
    const record = this.ensure(beat.node, nowMs);
    if (record === undefined || (beat.epoch === 0 && record.epoch > 0)) return true;
    if (beat.leaving) {
      if (beat.epoch === record.epoch)
        this.down(record, beat.incarnation === '' ? 'declared' : 'left');
      return beat.epoch >= record.epoch;
    }
    if (!this.heard(record, beat.epoch, nowMs)) return false;
    if (beat.epoch === 0) return true;
    record.offset.lateness(beat.sentAtMs, nowMs);
    record.kind = beat.kind;
    const wasUp = record.state === 'up';
    const mayHaveLost = wasUp && (record.missed || beat.cuts !== record.cuts);
    record.missed = false;
    record.cuts = beat.cuts;
    if (mayHaveLost) this.options.onLoss(record.node);
    if (!wasUp) {
      record.state = 'up';
      const { node, epoch, kind } = record;
      this.options.onEvent({ type: 'up', node, epoch, kind, why: 'beat' });
    }
    return true;
  }

  /** One of our own beats came back: the bus works, and silence counts. */
  ownEcho(nowMs: number): void {
    this.echoes += 1;
    const silenceMs = this.options.beatMs * this.options.missedMax;
    for (const record of this.records.values()) {
      const silentMs = nowMs - record.lastHeardMs;
      if (record.state === 'down') {
        if (silentMs > forgetAfterMs) this.records.delete(record.node);
      } else if (
        silentMs > silenceMs &&
        this.echoes - record.heardAtEcho >= this.options.missedMax
      ) {
        this.down(record, 'silent');
      }
    }
  }

  /** Our clock may have jumped while we stood still: its offsets are learned anew. */
  forgetOffsets(): void {
    for (const record of this.records.values()) record.offset = new LeastOffset();
  }

  /** We were cut off: nobody could be heard, so all silence starts anew. */
  restartSilence(nowMs: number): void {
    for (const record of this.records.values()) {
      if (record.state === 'down') continue;
      record.lastHeardMs = nowMs;
      record.heardAtEcho = this.echoes;
    }
  }

  /** Takes the node for dead. One that was never up has nothing to remember and is forgotten. */
  down(record: NodeRecord, why: DownReason): void {
    if (record.state === 'down') return;
    const { node, epoch, kind } = record;
    const wasUp = record.state === 'up';
    record.state = 'down';
    record.missed = false;
    if (epoch === 0) this.records.delete(node);
    // A goodbye is of one epoch; silence and "nobody there" hold for whatever epoch was meant.
    const epochMax = why === 'left' || why === 'declared' ? epoch : Infinity;
    this.options.onGone(node, epochMax, why);
    if (wasUp) this.options.onEvent({ type: 'down', node, epoch, kind, why });
  }

  private advance(record: NodeRecord, epoch: number): void {
    const { node, kind, state, epoch: oldEpoch } = record;
    record.epoch = epoch;
    record.state = 'unheard';
    record.missed = false;
    record.offset = new LeastOffset();
    if (oldEpoch === 0) return;
    this.options.onGone(node, oldEpoch, 'superseded');
    if (state === 'up') {
      this.options.onEvent({ type: 'down', node, epoch: oldEpoch, kind, why: 'superseded' });
    }
  }
}
