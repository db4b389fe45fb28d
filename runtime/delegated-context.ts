/**
 * An actor's context at second hand: passes everything on. Who wants to see or change one thing an
 * actor does overrides that.
 */

import type { ActorContext, ActorSpec, Address, Ref, Terminated, TimerKey } from './actor.ts';
import type { Logger } from './log.ts';
import type { Metrics } from './metrics.ts';

export class DelegatedContext<M> implements ActorContext<M> {
  protected readonly inner: ActorContext<M>;

  constructor(inner: ActorContext<M>) {
    this.inner = inner;
  }

  get self(): Ref<M> {
    return this.inner.self;
  }

  get nowMs(): number {
    return this.inner.nowMs;
  }

  get random(): () => number {
    return this.inner.random;
  }

  get log(): Logger {
    return this.inner.log;
  }

  get metrics(): Metrics {
    return this.inner.metrics;
  }

  tell<T>(to: Ref<T>, message: T): void {
    this.inner.tell(to, message);
  }

  after(delayMs: number, key: TimerKey, message: M): void {
    this.inner.after(delayMs, key, message);
  }

  cancel(key: TimerKey): void {
    this.inner.cancel(key);
  }

  spawn<S, C>(spec: ActorSpec<S, C>, name: string): Ref<C> {
    return this.inner.spawn(spec, name);
  }

  stop(child?: Address): void {
    this.inner.stop(child);
  }

  watch(target: Address, as: (terminated: Terminated) => M): void {
    this.inner.watch(target, as);
  }

  unwatch(target: Address): void {
    this.inner.unwatch(target);
  }
}
