/**
 * A worker process that is kept alive: when it ends by itself another is spawned in its place,
 * after a back-off, and given up when that happens too often (`runtime/supervision.ts` decides, as
 * for actors). What a dead one held is the dispatchers' to place again.
 */

import type { Cancel, Clock } from '../../runtime/clock.ts';
import { messageOf } from '../../runtime/errors.ts';
import type { Logger } from '../../runtime/log.ts';
import { decideAfterFailure, type SupervisionPolicy } from '../../runtime/supervision.ts';
import type { SpawnedWorker } from './worker-process.ts';

export interface KeptWorkerOptions {
  readonly name: string;
  readonly policy: SupervisionPolicy;
  readonly clock: Clock;
  readonly log: Logger;
  readonly spawn: () => SpawnedWorker;
  /** One of its processes ended, and not because it was told to. */
  readonly ended: () => void;
}

export interface KeptWorker {
  /** Resolves when the first process has joined, rejects when that one never does. */
  readonly ready: Promise<void>;
  /** Resolves when it is given up: why, for people. */
  readonly failed: Promise<Error>;
  stop(): Promise<void>;
}

export function keepWorker(options: KeptWorkerOptions): KeptWorker {
  return new Keeper(options);
}

class Keeper implements KeptWorker {
  readonly ready: Promise<void>;
  readonly failed: Promise<Error>;
  private readonly options: KeptWorkerOptions;
  private current: SpawnedWorker;
  private restarts: readonly number[] = [];
  private cancelRestart: Cancel | undefined;
  private stopping = false;
  private giveUp: (why: Error) => void = () => undefined;

  constructor(options: KeptWorkerOptions) {
    this.options = options;
    this.failed = new Promise((resolve) => {
      this.giveUp = resolve;
    });
    this.current = options.spawn();
    this.ready = this.current.ready;
    // Whoever starts a system waits for `ready`; only what has joined once is worth another try.
    void this.ready.then(
      () => this.follow(this.current),
      () => undefined,
    );
  }

  async stop(): Promise<void> {
    this.stopping = true;
    this.cancelRestart?.();
    await this.current.stop();
  }

  private async follow(worker: SpawnedWorker): Promise<void> {
    const how = await worker.exited;
    if (this.stopping) return;
    const { name, policy, clock, log, ended } = this.options;
    ended();
    const decision = decideAfterFailure(policy, this.restarts, clock.nowMs());
    if (decision.do !== 'restart') {
      const { restartsMax, withinMs } = policy;
      const often = `more than ${String(restartsMax)} times within ${String(withinMs / 1000)} s`;
      this.giveUp(new Error(`${name} ended ${often}, the last time by ${how}`));
      return;
    }
    const { afterMs } = decision;
    this.restarts = decision.history;
    log.warn(`${name} ended by itself (${how}); it is started again`, { afterMs });
    this.cancelRestart = clock.schedule(afterMs, () => {
      this.restart();
    });
  }

  private restart(): void {
    const { name, log, spawn } = this.options;
    const worker = spawn();
    this.current = worker;
    worker.ready.then(
      () => {
        log.warn(`${name} is back`, { processId: worker.pid });
      },
      (error: unknown) => {
        if (this.stopping) return;
        log.warn(`${name} did not come back`, { error: messageOf(error) });
        // One that neither joins nor ends would leave its place empty for ever.
        void worker.stop();
      },
    );
    void this.follow(worker);
  }
}
