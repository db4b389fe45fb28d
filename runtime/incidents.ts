/**
 * What went wrong inside the runtime or an actor and must not spread: counted and logged. It says
 * which type of message failed, never its payload (nact's default prints payloads to stdout).
 */

import { messageOf } from './errors.ts';
import type { Logger } from './log.ts';
import type { Metrics } from './metrics.ts';
import type { FailureDecision } from './supervision.ts';

export class Incidents {
  readonly #log: Logger;
  readonly #metrics: Metrics;
  /** Sees each error that failed an actor or was absorbed. For the simulator. */
  observe: ((error: unknown) => void) | undefined;

  constructor(log: Logger, metrics: Metrics) {
    this.#log = log;
    this.#metrics = metrics;
  }

  /** An error nobody supervises: thrown by a port's receiver, last words, a spec's pure parts. */
  absorb(what: string, path: string | undefined, error: unknown): void {
    this.#metrics.count('actor_absorbed_errors', 1, { what });
    this.observe?.(error);
    this.#log.error(what, { actor: path, error: messageOf(error), stack: stackOf(error) });
  }

  /** An error that an actor's policy decided on. */
  reportFailure(path: string, error: unknown, message: unknown, decision: FailureDecision): void {
    this.#metrics.count('actor_failures', 1, { decision: decision.do });
    this.observe?.(error);
    this.#log.error('an actor failed', {
      actor: path,
      messageType: typeOf(message),
      decision: decision.do,
      why: decision.do === 'stop' ? decision.why : undefined,
      restartInMs: decision.do === 'restart' ? decision.afterMs : undefined,
      error: messageOf(error),
      stack: stackOf(error),
    });
  }
}

function typeOf(message: unknown): string {
  const type = (message as { readonly type?: unknown } | null | undefined)?.type;
  return typeof type === 'string' ? type : typeof message;
}

function stackOf(error: unknown): string | undefined {
  return error instanceof Error ? error.stack : undefined;
}
