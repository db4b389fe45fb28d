/**
 * Several nodes in one process for the tests of remoting: a manual clock, a shared bus, and for
 * each node a host that only records. A node can crash, stand still and continue, and be cut off.
 */

import { createInProcessBus } from '../../nodes/adapters/in-process-bus.ts';
import {
  type ActorHost,
  type Address,
  type DeadLetterReason,
  type Ref,
  refusal,
  type RemotePort,
  type StopReason,
  type Terminated,
} from '../../runtime/actor.ts';
import type { Bus } from '../../runtime/bus.ts';
import type { Cancel, Clock } from '../../runtime/clock.ts';
import { DeadLetters } from '../../runtime/dead-letters.ts';
import { FrameRejected } from '../../runtime/errors.ts';
import { silentLogger } from '../../runtime/log.ts';
import { silentMetrics } from '../../runtime/metrics.ts';
import type { NodeEvent } from '../../runtime/node-directory.ts';
import { createRemoting, type Remoting } from '../../runtime/remote.ts';
import { CuttableBus } from '../conformance/cuttable-bus.ts';

interface Timer {
  readonly dueMs: number;
  readonly callback: () => void;
}

/**
 * One node's clock: it advances with the world, and its timers wait while the node stands still.
 */
export class ManualClock implements Clock {
  frozen = false;
  private timeMs: number;
  private readonly timers = new Set<Timer>();

  constructor(startMs: number) {
    this.timeMs = startMs;
  }

  nowMs(): number {
    return this.timeMs;
  }

  wallMs(): number {
    return this.timeMs;
  }

  schedule(delayMs: number, callback: () => void): Cancel {
    const timer = { dueMs: this.timeMs + delayMs, callback };
    this.timers.add(timer);
    return () => this.timers.delete(timer);
  }

  get waiting(): number {
    return this.timers.size;
  }

  advance(byMs: number): void {
    this.timeMs += byMs;
    if (!this.frozen) this.runDue();
  }

  runDue(): void {
    for (const timer of [...this.timers]) {
      if (timer.dueMs <= this.timeMs && this.timers.delete(timer)) timer.callback();
    }
  }
}

/** Delivers into a list, and lets a test end the actors it pretends to have. */
export class RecordingHost implements ActorHost {
  readonly node: string;
  epoch = 0;
  readonly deadLetters = new DeadLetters(8, silentMetrics);
  readonly received: { readonly path: string; readonly message: unknown }[] = [];
  readonly actors = new Set<string>();
  remote: RemotePort | undefined;
  private readonly watchers = new Map<string, ((terminated: Terminated) => void)[]>();

  constructor(node: string) {
    this.node = node;
  }

  /** How many local watches there are. */
  get watches(): number {
    return [...this.watchers.values()].reduce((sum, list) => sum + list.length, 0);
  }

  get messages(): unknown[] {
    return this.received.map(({ message }) => message);
  }

  end(path: string, reason: StopReason = 'stopped', detail = 'ended'): void {
    this.actors.delete(path);
    const watchers = this.watchers.get(path) ?? [];
    this.watchers.delete(path);
    for (const notify of watchers) this.notify(path, reason, detail, notify);
  }

  watch(target: Address, notify: (terminated: Terminated) => void): () => void {
    if (this.actors.has(target.path)) {
      this.watchers.set(target.path, [...(this.watchers.get(target.path) ?? []), notify]);
    } else {
      this.notify(target.path, 'not-found', 'no such actor', notify);
    }
    return () => undefined;
  }

  deliver(path: string, message: unknown): DeadLetterReason | undefined {
    this.received.push({ path, message });
    return undefined;
  }

  connectRemote(remote: RemotePort): void {
    this.remote = remote;
  }

  spawn(): never {
    throw new Error('not of this host');
  }

  port(): never {
    throw new Error('not of this host');
  }

  closePort(): void {
    // Nothing to close.
  }

  readonly told: { readonly to: Address; readonly message: unknown }[] = [];

  tell(to: Address, message: unknown): void {
    this.told.push({ to, message });
  }

  stop(): void {
    // Nothing to stop.
  }

  shutdown(): Promise<void> {
    return Promise.resolve();
  }

  private notify(
    path: string,
    reason: StopReason,
    detail: string,
    notify: (terminated: Terminated) => void,
  ): void {
    const address = { node: this.node, epoch: this.epoch, path };
    notify({ type: 'runtime.terminated', address, reason, detail });
  }
}

/** Takes everything but what a test calls evil; fails on what it calls a bug. */
export const testDecoders = {
  decode(type: string, body: unknown): unknown {
    if (type === 'test.evil') throw new FrameRejected('not taken', type);
    if (type === 'test.bug') throw new TypeError('a decoder with a bug');
    return body;
  },
};

export class TestNode {
  readonly name: string;
  readonly clock: ManualClock;
  readonly bus: CuttableBus;
  readonly host: RecordingHost;
  readonly remoting: Remoting;
  readonly events: string[] = [];
  readonly losses: (string | undefined)[] = [];
  readonly supersededBy: number[] = [];
  readonly stalledMs: number[] = [];
  readonly terminated: Terminated[] = [];

  constructor(hub: Bus, name: string, incarnation: string, startMs: number) {
    this.name = name;
    this.clock = new ManualClock(startMs);
    this.bus = new CuttableBus(hub);
    this.host = new RecordingHost(name);
    this.remoting = createRemoting({
      host: this.host,
      bus: this.bus,
      clock: this.clock,
      log: silentLogger,
      metrics: silentMetrics,
      node: name,
      kind: 'test',
      incarnation,
      decoders: testDecoders,
      messageBytesMax: 100_000,
      refuseTooLarge: (to, message, bytes, bytesMax) =>
        (message as { type: string }).type === 'test.ask'
          ? refusal(to as Ref<unknown>, { type: 'test.too-large', over: bytes > bytesMax })
          : undefined,
      onSuperseded: (epoch) => this.supersededBy.push(epoch),
      onStalled: (stalledMs) => this.stalledMs.push(stalledMs),
    });
    this.remoting.onNode((event) => this.events.push(textOf(event)));
    this.remoting.onLoss((node) => this.losses.push(node));
  }

  get dead(): Remoting['deadLetters'] {
    return this.remoting.deadLetters;
  }

  /** Ends without a word, as a killed process does. */
  crash(): void {
    this.clock.frozen = true;
    this.bus.disconnect();
  }

  /** Stands still, as a stopped process does: it stays connected and does nothing. */
  freeze(): void {
    this.clock.frozen = true;
    this.bus.hold();
  }

  /** Goes on: overdue timers fire first, then what waited in its socket arrives. */
  thaw(): void {
    this.clock.frozen = false;
    this.clock.runDue();
    this.bus.release();
  }

  watch(target: Address, watcherPath = '/watcher'): void {
    this.remoting.watch(target, this.address(watcherPath), (terminated) => {
      this.terminated.push(terminated);
    });
  }

  address(path: string): Address {
    return { node: this.name, epoch: this.host.epoch, path };
  }
}

function textOf({ type, node, epoch, why }: NodeEvent): string {
  return `${type} ${node}#${String(epoch)} ${why}`;
}

export class World {
  readonly hub = createInProcessBus();
  private readonly nodes: TestNode[] = [];
  private started = 0;

  /** A node that has joined under `epoch`, or not yet when 0. Its clock has a zero of its own. */
  node(name: string, epoch: number): TestNode {
    this.started += 1;
    const node = new TestNode(this.hub, name, `life-${String(this.started)}`, this.started * 7_777);
    this.nodes.push(node);
    if (epoch > 0) node.remoting.setEpoch(epoch);
    return node;
  }

  /** Lets what is on the way arrive, without time passing. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 6; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  }

  async advance(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 10) {
      for (const node of this.nodes) node.clock.advance(10);
      await this.settle();
    }
  }

  async close(): Promise<void> {
    for (const node of this.nodes) node.remoting.stop();
    await this.hub.close();
  }
}
