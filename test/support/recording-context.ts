/**
 * Runs one actor by hand: a context that records what a behaviour asks for, time that moves only
 * when told to, and the contract's rule that a turn's effects are discarded when it throws.
 */

import type {
  ActorContext,
  ActorSpec,
  Address,
  Ref,
  StopReason,
  Terminated,
} from '../../runtime/actor.ts';
import { formatAddress, refOf } from '../../runtime/actor.ts';
import { assert } from '../../runtime/assert.ts';
import { silentLogger } from '../../runtime/log.ts';
import type { Metrics } from '../../runtime/metrics.ts';
import { type Random, seededRandom } from '../../runtime/random.ts';

export interface Told {
  readonly to: Address;
  readonly message: unknown;
}

export interface Spawned {
  readonly ref: Address;
  readonly spec: unknown;
}

interface Timer<M> {
  readonly key: string;
  readonly dueMs: number;
  readonly message: M;
}

export interface RecordingOptions {
  readonly self?: Address;
  readonly nowMs?: number;
  readonly random?: Random;
}

/** One actor, started, with everything it has asked for since the last `forget`. */
export class Recording<S, M> {
  readonly self: Ref<M>;
  nowMs: number;
  state: S;
  stopped = false;
  /** Since the last `forget`. */
  readonly told: Told[] = [];
  readonly everTold: Told[] = [];
  readonly spawned: Spawned[] = [];
  readonly spec: ActorSpec<S, M>;
  private readonly random: Random;
  private readonly timers = new Map<string, Timer<M>>();
  private readonly watches = new Map<string, (terminated: Terminated) => M>();
  private readonly counts = new Map<string, number>();
  private readonly toSelf: M[] = [];

  constructor(spec: ActorSpec<S, M>, options: RecordingOptions = {}) {
    const { node, epoch, path } = options.self ?? { node: 'here', epoch: 1, path: '/actor' };
    this.self = refOf(node, epoch, path);
    this.spec = spec;
    this.nowMs = options.nowMs ?? 1_000;
    this.random = options.random ?? seededRandom(1);
    this.state = this.turn((ctx) => spec.start(ctx));
    this.deliverToSelf();
  }

  /** One turn, and then what the actor told itself. Throws what the behaviour throws. */
  send(...messages: readonly M[]): this {
    for (const message of messages) {
      this.state = this.turn((ctx) => this.spec.behaviour(this.state, message, ctx));
      this.deliverToSelf();
    }
    return this;
  }

  /** As supervision does it: state, timers, watches and children go. */
  restart(): this {
    this.timers.clear();
    this.watches.clear();
    this.spawned.length = 0;
    this.state = this.turn((ctx) => this.spec.start(ctx));
    this.deliverToSelf();
    return this;
  }

  /** Moves time on, firing what falls due on the way. */
  advance(ms: number): this {
    const untilMs = this.nowMs + ms;
    for (;;) {
      const next = this.nextTimer();
      if (next === undefined || next.dueMs > untilMs) break;
      this.nowMs = Math.max(this.nowMs, next.dueMs);
      this.timers.delete(next.key);
      this.send(next.message);
    }
    this.nowMs = untilMs;
    return this;
  }

  /** Tells the actor that what it watches under `target` ended. False when it does not watch it. */
  terminate(target: Address, reason: StopReason = 'failed', detail = 'it failed'): boolean {
    const key = formatAddress(target);
    const as = this.watches.get(key);
    if (as === undefined) return false;
    this.watches.delete(key);
    this.send(as({ type: 'runtime.terminated', address: target, reason, detail }));
    return true;
  }

  /** The last words, as when the host shuts the actor down. */
  shutDown(): void {
    this.turn((ctx) => {
      this.spec.onStop?.(this.state, ctx);
    });
  }

  isWatching(target: Address): boolean {
    return this.watches.has(formatAddress(target));
  }

  /** Milliseconds until the timer fires, undefined when there is none. */
  timerIn(key: string): number | undefined {
    const timer = this.timers.get(key);
    return timer === undefined ? undefined : timer.dueMs - this.nowMs;
  }

  counted(metric: string): number {
    return this.counts.get(metric) ?? 0;
  }

  toldTo<T>(to: Ref<T>): T[] {
    const address = formatAddress(to);
    const messages = this.told.filter((told) => formatAddress(told.to) === address);
    return messages.map(({ message }) => message as T);
  }

  /** What was told of one type, to whomever. */
  ofType<T extends { readonly type: string }, K extends T['type']>(
    type: K,
  ): Extract<T, { readonly type: K }>[] {
    return this.told
      .map(({ message }) => message as T)
      .filter((message): message is Extract<T, { readonly type: K }> => message.type === type);
  }

  forget(): this {
    this.told.length = 0;
    return this;
  }

  private nextTimer(): Timer<M> | undefined {
    let next: Timer<M> | undefined;
    for (const timer of this.timers.values()) {
      if (next === undefined || timer.dueMs < next.dueMs) next = timer;
    }
    return next;
  }

  private deliverToSelf(): void {
    for (let next = this.toSelf.shift(); next !== undefined; next = this.toSelf.shift()) {
      const message = next;
      this.state = this.turn((ctx) => this.spec.behaviour(this.state, message, ctx));
    }
  }

  private turn<T>(run: (ctx: ActorContext<M>) => T): T {
    const effects: (() => void)[] = [];
    const result = run(this.contextInto(effects));
    for (const carryOut of effects) carryOut();
    return result;
  }

  private contextInto(effects: (() => void)[]): ActorContext<M> {
    const { self, nowMs, random } = this;
    return {
      self,
      nowMs,
      random,
      log: silentLogger,
      metrics: this.recordedMetrics(effects),
      tell: (to, message) => effects.push(() => this.takeTold(to, message)),
      after: (delayMs, key, message) => {
        assert(delayMs >= 0 && delayMs < Infinity, `a timer needs a finite delay, not ${delayMs}`);
        const dueMs = nowMs + delayMs;
        effects.push(() => this.timers.set(key, { key, dueMs, message }));
      },
      cancel: (key) => effects.push(() => this.timers.delete(key)),
      spawn: <T, C>(spec: ActorSpec<T, C>, name: string) => {
        const ref = refOf<C>(self.node, self.epoch, `${self.path}/${name}`);
        const taken = this.spawned.some((child) => child.ref.path === ref.path);
        assert(!taken, `${self.path} already has a child '${name}'`);
        effects.push(() => this.spawned.push({ ref, spec }));
        return ref;
      },
      stop: () => effects.push(() => (this.stopped = true)),
      watch: (target, as) => effects.push(() => this.watches.set(formatAddress(target), as)),
      unwatch: (target) => effects.push(() => this.watches.delete(formatAddress(target))),
    };
  }

  private takeTold(to: Address, message: unknown): void {
    if (formatAddress(to) === formatAddress(this.self)) this.toSelf.push(message as M);
    else for (const record of [this.told, this.everTold]) record.push({ to, message });
  }

  private recordedMetrics(effects: (() => void)[]): Metrics {
    const count = (name: string, by = 1): void => {
      effects.push(() => this.counts.set(name, this.counted(name) + by));
    };
    return { count, gauge: () => undefined, observe: () => undefined };
  }
}

/** A spec whose state is nobody's business. */
export function anySpec<S, M>(spec: ActorSpec<S, M>): ActorSpec<unknown, M> {
  return spec as unknown as ActorSpec<unknown, M>;
}
