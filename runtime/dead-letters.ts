/**
 * Counts what could not be delivered and could not be refused, by reason, and keeps the most recent
 * ones for `explain` and tests: a message is never dropped without a trace.
 */

import type { Address, DeadLetter, DeadLetterCounter, DeadLetterReason } from './actor.ts';
import type { Metrics } from './metrics.ts';

export class DeadLetters implements DeadLetterCounter {
  readonly #counts = new Map<DeadLetterReason, number>();
  readonly #kept: DeadLetter[] = [];
  readonly #keptMax: number;
  readonly #metrics: Metrics;
  #total = 0;

  constructor(keptMax: number, metrics: Metrics) {
    this.#keptMax = keptMax;
    this.#metrics = metrics;
  }

  get total(): number {
    return this.#total;
  }

  countOf(reason: DeadLetterReason): number {
    return this.#counts.get(reason) ?? 0;
  }

  /** Oldest first. */
  get recent(): readonly DeadLetter[] {
    if (this.#total <= this.#keptMax) return this.#kept.slice();
    const oldest = this.#total % this.#keptMax;
    return [...this.#kept.slice(oldest), ...this.#kept.slice(0, oldest)];
  }

  add(to: Address, message: unknown, reason: DeadLetterReason): void {
    const address = { node: to.node, epoch: to.epoch, path: to.path };
    this.#kept[this.#total % this.#keptMax] = {
      to: address,
      message: withoutBody(message),
      reason,
    };
    this.#total += 1;
    this.#counts.set(reason, this.countOf(reason) + 1);
    this.#metrics.count('actor_dead_letters', 1, { reason });
  }
}

/** Of a typed message its type only: a kept body would keep tensors and whole frames alive. */
function withoutBody(message: unknown): unknown {
  if (typeof message !== 'object' || message === null || !('type' in message)) return message;
  return { type: message.type };
}
