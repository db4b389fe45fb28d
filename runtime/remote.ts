/**
 * Remoting: gives messages whose ref names another node to the bus, and what the bus brings to the
 * actors of this one; follows who lives under which epoch; watches across nodes.
 *
 * A ref is an address, so an actor does not know where its peer runs. What that costs is kept in
 * sight: a message may be refused (with a reason), may be lost with its node or the bus (`onNode`,
 * `onLoss`), and never arrives in or from an epoch that is over.
 */

import type {
  ActorHost,
  Address,
  DeadLetterCounter,
  DeadLetterReason,
  NodeId,
  RemotePort,
  Terminated,
} from './actor.ts';
import { assert } from './assert.ts';
import { defaultBeatMs, defaultMissedMax, Pulse } from './beats.ts';
import type { Bus, BusStatus, BusSubscription } from './bus.ts';
import type { Clock } from './clock.ts';
import { DeadLetters } from './dead-letters.ts';
import type { Logger } from './log.ts';
import type { Metrics } from './metrics.ts';
import {
  type DownReason,
  NodeDirectory,
  type NodeEvent,
  type NodeRecord,
  type NodeView,
} from './node-directory.ts';
import { type BodyDecoders, Inbound } from './remote-inbound.ts';
import { Outbound, type RefuseTooLarge } from './remote-outbound.ts';
import { IncomingWatches, OutgoingWatches, type RuntimeMessage } from './remote-watches.ts';
import { nodeSubject } from './wire/subjects.ts';

export interface RemotingOptions {
  readonly host: ActorHost;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** The host's own name. */
  readonly node: NodeId;
  /** What this node is (worker, gateway, controller); told to everybody, not interpreted. */
  readonly kind: string;
  /** Different for every process that ever bears this name: a UUID. */
  readonly incarnation: string;
  /** Milliseconds between two beats; 250 unless told. */
  readonly beatMs?: number;
  /** Beats missed before a node counts as down; 3 unless told. */
  readonly missedMax?: number;
  readonly decoders: BodyDecoders;
  /** Most bytes of one message; 64 MiB unless told. The same for all nodes. */
  readonly messageBytesMax?: number;
  /** What to tell whom in place of a message over `messageBytesMax`; without it a dead letter. */
  readonly refuseTooLarge?: RefuseTooLarge;
  /**
   * Another process has our name and this higher epoch: the composition root exits. While ours is 0
   * that one was there first, else it took over.
   */
  readonly onSuperseded?: (epoch: number) => void;
  /** This process stood still so long that it counts as dead: the root joins again. */
  readonly onStalled?: (stalledMs: number) => void;
}

export interface Remoting extends RemotePort {
  /** Nodes coming up and going down; returns how to stop listening. */
  onNode(listener: (event: NodeEvent) => void): () => void;
  /**
   * Messages to or from `node` that are unanswered may be lost although it lives; undefined: those
   * to and from all nodes, since we were cut off and are back. Whoever holds them places them
   * again.
   */
  onLoss(listener: (node: NodeId | undefined) => void): () => void;
  /** The nodes heard of, this one not among them. */
  nodes(): readonly NodeView[];
  /** After a join: this node lives under `epoch` from now on. */
  setEpoch(epoch: number): void;
  /** Takes that life of `node` for ended and tells everybody: its parent saw it exit. */
  declareDown(node: NodeId, epoch: number): void;
  /** What was dropped on arrival or found nobody; what `send` refuses, the host counts. */
  readonly deadLetters: DeadLetterCounter;
  /** Says goodbye; nothing is sent or delivered from then on. */
  stop(): void;
}

/** Connects `host` to the bus and starts to beat. Before the first `setEpoch` its epoch is 0. */
export function createRemoting(options: RemotingOptions): Remoting {
  const remoting = new BusRemoting(options);
  options.host.connectRemote(remoting);
  return remoting;
}

const deadLettersKept = 64;

class BusRemoting implements Remoting {
  readonly deadLetters: DeadLetters;
  private readonly options: RemotingOptions;
  private readonly silenceMs: number;
  private readonly directory: NodeDirectory;
  private readonly outgoing: OutgoingWatches;
  private readonly incoming: IncomingWatches;
  private readonly outbound: Outbound;
  private readonly inbound: Inbound;
  private readonly pulse: Pulse;
  private readonly subscription: BusSubscription;
  private readonly nodeListeners = new Set<(event: NodeEvent) => void>();
  private readonly lossListeners = new Set<(node: NodeId | undefined) => void>();
  /** Until then the others may still be reconnecting, and "nobody there" proves nothing. */
  private graceUntilMs = -Infinity;
  private stopped = false;

  constructor(options: RemotingOptions) {
    const { host, bus, clock, metrics, node } = options;
    const beatMs = options.beatMs ?? defaultBeatMs;
    const missedMax = options.missedMax ?? defaultMissedMax;
    assert(node === host.node, "remoting bears its host's name");
    this.options = options;
    this.silenceMs = beatMs * missedMax;
    this.deadLetters = new DeadLetters(deadLettersKept, metrics);
    this.directory = new NodeDirectory({
      self: node,
      beatMs,
      missedMax,
      onGone: this.nodeGone,
      onEvent: this.tellNodeEvent,
      onLoss: this.mayHaveLost,
      onNoResponders: this.nobodyThere,
    });
    this.outbound = new Outbound({ ...options, directory: this.directory });
    this.outgoing = new OutgoingWatches((to, message) => this.outbound.postRuntime(to, 0, message));
    this.incoming = new IncomingWatches({
      watchLocally: (path, notify) => {
        host.watch({ node, epoch: host.epoch, path }, notify);
      },
      isOurs: (target) => target.epoch === 0 || target.epoch === host.epoch,
      post: (to, epoch, message) => this.outbound.postRuntime(to, epoch, message),
    });
    this.inbound = new Inbound({
      ...options,
      directory: this.directory,
      deadLetters: this.deadLetters,
      onRuntime: this.runtimeMessage,
      onNamesake: (epoch) => {
        this.pulse.namesake(epoch);
      },
    });
    this.pulse = this.startPulse(beatMs, missedMax);
    this.subscription = bus.subscribe(nodeSubject(node), ({ payload }) => {
      if (!this.stopped) this.inbound.receive(payload, clock.nowMs());
    });
    bus.onStatus(this.busStatus);
  }

  send(to: Address, message: unknown): DeadLetterReason | undefined {
    return this.outbound.send(to, message);
  }

  watch(target: Address, watcher: Address, notify: (terminated: Terminated) => void): void {
    const id = this.outgoing.add(target, watcher, notify);
    if (id === undefined) return;
    const { node, epoch } = target;
    const record = this.directory.ensure(node, this.options.clock.nowMs());
    const gone =
      record === undefined ||
      (epoch !== 0 && epoch < record.epoch) ||
      (record.state === 'down' && epoch <= record.epoch);
    if (!gone) {
      this.outgoing.assert(id);
      return;
    }
    // Not within the caller's turn: a watcher learns of an end by a message, always.
    this.options.clock.schedule(0, () => {
      if (!this.stopped) this.outgoing.settle(id, 'node-down', `node ${node} is down`);
    });
  }

  unwatch(target: Address, watcher: Address): void {
    this.outgoing.remove(target, watcher);
  }

  onNode(listener: (event: NodeEvent) => void): () => void {
    this.nodeListeners.add(listener);
    return () => this.nodeListeners.delete(listener);
  }

  onLoss(listener: (node: NodeId | undefined) => void): () => void {
    this.lossListeners.add(listener);
    return () => this.lossListeners.delete(listener);
  }

  nodes(): readonly NodeView[] {
    return this.directory.views();
  }

  setEpoch(epoch: number): void {
    const { host } = this.options;
    assert(epoch > host.epoch, "a node's epochs only grow");
    const again = host.epoch > 0;
    if (again) this.incoming.forgetAll();
    host.epoch = epoch;
    this.pulse.beatNow();
    this.outgoing.assertAll();
    // What was told to our former life is dropped as stale, if it was sent at all.
    if (again) this.tellLoss(undefined);
  }

  declareDown(node: NodeId, epoch: number): void {
    if (this.stopped) return;
    const record = this.directory.find(node);
    this.pulse.declareDown(node, epoch);
    if (record?.epoch === epoch) this.directory.down(record, 'declared');
  }

  stop(): void {
    if (this.stopped) return;
    this.pulse.stop();
    this.stopped = true;
    this.outbound.stop();
    this.subscription.unsubscribe();
  }

  private startPulse(beatMs: number, missedMax: number): Pulse {
    const { bus, clock, node, kind, incarnation, host, log } = this.options;
    return new Pulse({
      ...{ bus, clock, node, kind, incarnation, beatMs, missedMax },
      epoch: () => host.epoch,
      onBeat: (beat, nowMs) => {
        if (!this.directory.beat(beat, nowMs)) this.inbound.countStaleBeat();
      },
      onEcho: (nowMs) => {
        this.directory.ownEcho(nowMs);
      },
      onSuperseded: (epoch) => {
        log.info('another process has the name of this node', { node, epoch, ours: host.epoch });
        this.options.onSuperseded?.(epoch);
      },
      onStalled: (stalledMs) => {
        log.warn('this process stood still', { node, stalledMs });
        this.directory.forgetOffsets();
        // Who has not joined asks to already.
        if (host.epoch > 0) this.options.onStalled?.(stalledMs);
        // The others took us for dead, and refused what was meant for us.
        this.tellLoss(undefined);
      },
      onTick: this.report,
      onUndecodable: (error) => {
        this.inbound.undecodable(error);
      },
    });
  }

  private readonly runtimeMessage = (
    node: NodeId,
    epoch: number,
    message: RuntimeMessage,
  ): void => {
    if (message.type === 'runtime.watch') {
      this.incoming.watch(node, epoch, message.id, message.target);
    } else if (message.type === 'runtime.unwatch') {
      this.incoming.unwatch(node, message.id, message.path);
    } else {
      this.outgoing.terminated(node, message);
    }
  };

  private readonly nodeGone = (node: NodeId, epochMax: number, why: DownReason): void => {
    // Only a life that is over for certain loses what it asked of us; a silent one may come back.
    if (why === 'superseded' || why === 'left') this.incoming.nodeGone(node, epochMax);
    this.outgoing.nodeGone(node, epochMax, `node ${node} is down: ${why}`);
  };

  private readonly nobodyThere = (record: NodeRecord): void => {
    if (this.stopped) return;
    const { node, epoch } = record;
    this.deadLetters.add({ node, epoch, path: '' }, undefined, 'node-unreachable');
    if (this.options.clock.nowMs() < this.graceUntilMs) record.missed = true;
    else this.directory.down(record, 'no-responders');
  };

  private readonly busStatus = (status: BusStatus): void => {
    if (this.stopped) return;
    if (status !== 'connected') {
      this.pulse.cuts += 1;
      return;
    }
    const nowMs = this.options.clock.nowMs();
    this.graceUntilMs = nowMs + this.silenceMs;
    this.directory.restartSilence(nowMs);
    this.pulse.beatNow();
    this.incoming.resend();
    this.outgoing.assertAll();
    this.tellLoss(undefined);
  };

  private readonly mayHaveLost = (node: NodeId): void => {
    this.outgoing.assertAll(node);
    this.tellLoss(node);
  };

  private tellLoss(node: NodeId | undefined): void {
    for (const listener of this.lossListeners) listener(node);
  }

  private readonly tellNodeEvent = (event: NodeEvent): void => {
    const { type, node, epoch, kind, why } = event;
    this.options.log.info(`node ${type}`, { node, epoch, kind, why });
    this.options.metrics.count('remote_node_events', 1, { type, why });
    for (const listener of this.nodeListeners) listener(event);
  };

  /** The hot path counts in plain numbers; once a beat they become metrics. */
  private readonly report = (nowMs: number): void => {
    this.outbound.report();
    this.inbound.report(nowMs);
  };
}
