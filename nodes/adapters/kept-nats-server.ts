/**
 * A nats-server of our own that is kept alive: when it ends by itself another starts on the same
 * port, where everybody dials it all the time. Given up when that happens too often.
 */

import type { Cancel, Clock } from '../../runtime/clock.ts';
import { messageOf } from '../../runtime/errors.ts';
import type { Logger } from '../../runtime/log.ts';
import { decideAfterFailure, type SupervisionPolicy } from '../../runtime/supervision.ts';
import { type NatsServer, startNatsServer } from './nats-server.ts';

export interface KeptNatsServerOptions {
  readonly policy: SupervisionPolicy;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Fails with BusUnreachable where the first does not start. */
export async function keepNatsServer(options: KeptNatsServerOptions): Promise<NatsServer> {
  return new KeptNatsServer(await startNatsServer({ log: options.log }), options);
}

class KeptNatsServer implements NatsServer {
  readonly url: string;
  readonly ended: Promise<void>;
  private readonly options: KeptNatsServerOptions;
  private current: NatsServer;
  private restarts: readonly number[] = [];
  private cancelRestart: Cancel | undefined;
  /** A start that is under way, when it is over. */
  private starting: Promise<void> = Promise.resolve();
  private stopping = false;
  private end: () => void = () => undefined;

  constructor(first: NatsServer, options: KeptNatsServerOptions) {
    this.options = options;
    this.url = first.url;
    this.current = first;
    this.ended = new Promise((resolve) => {
      this.end = resolve;
    });
    this.follow(first);
  }

  get pid(): number {
    return this.current.pid;
  }

  async stop(): Promise<void> {
    this.stopping = true;
    this.cancelRestart?.();
    await this.starting;
    await this.current.stop();
    this.end();
  }

  private follow(server: NatsServer): void {
    void server.ended.then(async () => {
      if (this.stopping) return;
      // Its folder goes with it.
      await server.stop();
      this.startAgain();
    });
  }

  private startAgain(): void {
    const { policy, clock, log } = this.options;
    const decision = decideAfterFailure(policy, this.restarts, clock.nowMs());
    if (decision.do !== 'restart') {
      log.error('nats-server ends again and again, and is not started any more', {
        ...{ url: this.url, why: 'see above; start infaas anew when it is mended' },
      });
      this.end();
      return;
    }
    this.restarts = decision.history;
    this.cancelRestart = clock.schedule(decision.afterMs, () => {
      this.starting = this.restart();
    });
  }

  private async restart(): Promise<void> {
    const { log } = this.options;
    try {
      this.current = await startNatsServer({ log, port: Number(new URL(this.url).port) });
      log.warn('nats-server is back', { url: this.url, pid: this.pid });
      this.follow(this.current);
    } catch (error) {
      log.warn('nats-server did not come back', { error: messageOf(error) });
      if (!this.stopping) this.startAgain();
    }
  }
}
