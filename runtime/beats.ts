/**
 * This node's pulse: beats at a steady pace, hears everybody's, and notices three things about
 * itself. A beat of ours that comes back shows that the bus works. A beat of our name under a
 * higher epoch means that we were replaced. And when our own timer fires far too late, this process
 * stood still for so long that the others took us for dead.
 */

import type { NodeId } from './actor.ts';
import { assert } from './assert.ts';
import type { Bus, BusSubscription } from './bus.ts';
import type { Cancel, Clock } from './clock.ts';
import { type Beat, decodeBeat, encodeBeat } from './wire/beat.ts';
import { beatSubject } from './wire/subjects.ts';

export const defaultBeatMs = 250;
/** Beats missed before a node counts as down. */
export const defaultMissedMax = 3;

export interface PulseOptions {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly node: NodeId;
  readonly kind: string;
  readonly incarnation: string;
  readonly beatMs: number;
  readonly missedMax: number;
  /** This node's epoch now. */
  readonly epoch: () => number;
  readonly onBeat: (beat: Beat, nowMs: number) => void;
  readonly onEcho: (nowMs: number) => void;
  /** Another process of our name has this higher epoch. */
  readonly onSuperseded: (epoch: number) => void;
  /** We stood still for so many milliseconds. */
  readonly onStalled: (stalledMs: number) => void;
  /** Once a beat, for whatever else is due at that pace. */
  readonly onTick: (nowMs: number) => void;
  readonly onUndecodable: (error: unknown) => void;
}

export class Pulse {
  /** How often we lost the bus. */
  cuts = 0;
  private readonly options: PulseOptions;
  private readonly subscription: BusSubscription;
  private cancelTick: Cancel;
  private tickedAtMs: number;
  private supersededBy = 0;
  private stopped = false;

  constructor(options: PulseOptions) {
    assert(options.incarnation !== '', 'a node has an incarnation');
    this.options = options;
    this.subscription = options.bus.subscribe(beatSubject, ({ payload }) => {
      this.hear(payload);
    });
    this.tickedAtMs = options.clock.nowMs();
    this.cancelTick = options.clock.schedule(options.beatMs, this.tick);
  }

  /** A beat out of turn: after a join or a reconnect nobody should wait for the next. */
  beatNow(): void {
    this.publish(false);
  }

  /** Tells everybody that `node` ended, on behalf of it: its parent saw it exit. */
  declareDown(node: NodeId, epoch: number): void {
    const { bus, kind, clock } = this.options;
    const sentAtMs = clock.nowMs();
    bus.publish(
      beatSubject,
      encodeBeat({ node, epoch, kind, sentAtMs, incarnation: '', leaving: true, cuts: 0 }),
    );
  }

  /** Says goodbye and falls silent. */
  stop(): void {
    if (this.stopped) return;
    this.stopped = true;
    this.cancelTick();
    this.subscription.unsubscribe();
    this.publish(true);
  }

  private readonly tick = (): void => {
    const { clock, beatMs, missedMax, epoch, onStalled, onTick } = this.options;
    const nowMs = clock.nowMs();
    const gapMs = nowMs - this.tickedAtMs;
    this.tickedAtMs = nowMs;
    this.cancelTick = clock.schedule(beatMs, this.tick);
    onTick(nowMs);
    // After a stall this beat is left out: it would bring us back to life under the epoch that
    // everybody has buried, just before we ask for a new one. If nobody re-joins, the next says it.
    const isStall = gapMs > missedMax * beatMs;
    if (isStall) onStalled(gapMs);
    if (!isStall || epoch() === 0) this.publish(false);
  };

  private publish(leaving: boolean): void {
    const { bus, clock, node, kind, incarnation, epoch } = this.options;
    const beat = { node, epoch: epoch(), kind, sentAtMs: clock.nowMs(), incarnation };
    bus.publish(beatSubject, encodeBeat({ ...beat, leaving, cuts: this.cuts }));
  }

  private hear(payload: Uint8Array): void {
    if (this.stopped) return;
    let beat: Beat;
    try {
      beat = decodeBeat(payload);
    } catch (error) {
      this.options.onUndecodable(error);
      return;
    }
    const nowMs = this.options.clock.nowMs();
    if (beat.node !== this.options.node) this.options.onBeat(beat, nowMs);
    else if (beat.incarnation === this.options.incarnation) this.options.onEcho(nowMs);
    // A goodbye, or what a parent says of the dead, leaves the name to us.
    else if (!beat.leaving) this.namesake(beat.epoch);
  }

  /** Something came from another process of our name. */
  namesake(epoch: number): void {
    if (epoch <= this.options.epoch() || epoch <= this.supersededBy) return;
    this.supersededBy = epoch;
    this.options.onSuperseded(epoch);
  }
}
