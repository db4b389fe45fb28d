/** Worker processes that are kept: spawned again when they end by themselves, given up at last. */

import { expect } from 'chai';

import { type KeptWorker, keepWorker } from '../../../nodes/adapters/kept-worker.ts';
import type { SpawnedWorker } from '../../../nodes/adapters/worker-process.ts';
import { silentLogger } from '../../../runtime/log.ts';
import { VirtualClock } from '../../../sim/virtual-clock.ts';

interface Life {
  readonly join: () => void;
  readonly fail: () => void;
  readonly end: () => void;
  stopped: boolean;
}

/** Processes of a name, and when each was spawned; the clock is moved by hand. */
class Nursery {
  readonly clock = new VirtualClock();
  readonly lives: Life[] = [];
  readonly bornMs: number[] = [];
  ends = 0;
  readonly kept: KeptWorker;
  gaveUp: string | undefined;

  constructor() {
    const backoff = { initialMs: 100, factor: 3, maxMs: 1_000 };
    this.kept = keepWorker({
      name: 'worker-1',
      policy: { onFailure: 'restart', restartsMax: 3, withinMs: 10_000, backoff },
      clock: this.clock,
      log: silentLogger,
      spawn: () => this.spawn(),
      ended: () => {
        this.ends += 1;
      },
    });
    void this.kept.failed.then((error) => {
      this.gaveUp = error.message;
    });
  }

  get last(): Life {
    const life = this.lives.at(-1);
    if (life === undefined) throw new Error('nothing was spawned');
    return life;
  }

  async advance(ms: number): Promise<void> {
    await settled();
    const untilMs = this.clock.nowMs() + ms;
    while (this.clock.nextDueMs <= untilMs) this.clock.step();
    this.clock.advanceTo(untilMs);
    await settled();
  }

  private spawn(): SpawnedWorker {
    this.bornMs.push(this.clock.nowMs());
    let join: () => void = () => undefined;
    let fail: () => void = () => undefined;
    let end: (how: string) => void = () => undefined;
    const ready = new Promise<void>((resolve, reject) => {
      join = resolve;
      fail = () => {
        reject(new Error('never joined'));
      };
    });
    const exited = new Promise<string>((resolve) => {
      end = resolve;
    });
    const life: Life = { join, fail, stopped: false, end: () => end('signal SIGKILL') };
    this.lives.push(life);
    const stop = (): Promise<void> => {
      life.stopped = true;
      end('signal SIGTERM');
      return Promise.resolve();
    };
    return { name: 'worker-1', pid: 0, ready, exited, stop };
  }
}

function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

describe('a worker process that is kept', () => {
  it('is spawned again after a back-off that grows, and each end is told', async () => {
    const nursery = new Nursery();
    nursery.last.join();
    await nursery.kept.ready;
    for (let life = 0; life < 3; life += 1) {
      nursery.last.end();
      await nursery.advance(1_000);
      nursery.last.join();
    }
    expect(nursery.bornMs).to.deep.equal([0, 100, 1_300, 2_900]);
    expect(nursery.ends).to.equal(3);
    expect(nursery.gaveUp).to.equal(undefined);
  });

  it('is given up when it ends too often, not when it ends as often over a long time', async () => {
    const often = new Nursery();
    const seldom = new Nursery();
    for (const [nursery, pauseMs] of [[often, 1_000] as const, [seldom, 10_000] as const]) {
      nursery.last.join();
      for (let life = 0; life < 6; life += 1) {
        nursery.last.end();
        await nursery.advance(pauseMs);
        nursery.last.join();
      }
    }
    expect(often.lives).to.have.length(4);
    expect(often.gaveUp).to.match(/worker-1 ended more than 3 times within 10 s.*SIGKILL/);
    expect(seldom.lives).to.have.length(7);
    expect(seldom.gaveUp).to.equal(undefined);
  });

  it('that does not come back is ended, and counts as one more end', async () => {
    const nursery = new Nursery();
    nursery.last.join();
    await settled();
    nursery.last.end();
    await nursery.advance(1_000);
    nursery.last.fail();
    await nursery.advance(1_000);
    expect(nursery.lives[1]?.stopped).to.equal(true);
    expect(nursery.lives).to.have.length(3);
  });

  it('stays ended when it was told to, also in the middle of a back-off', async () => {
    const told = new Nursery();
    told.last.join();
    await settled();
    await told.kept.stop();
    const waiting = new Nursery();
    waiting.last.join();
    await settled();
    waiting.last.end();
    await settled();
    await waiting.kept.stop();
    for (const nursery of [told, waiting]) {
      await nursery.advance(10_000);
      expect(nursery.lives).to.have.length(1);
    }
    expect(told.ends).to.equal(0);
  });

  it('is not tried again when it never joined: then the start failed', async () => {
    const nursery = new Nursery();
    nursery.last.fail();
    nursery.last.end();
    const why = await nursery.kept.ready.catch((error: unknown) => (error as Error).message);
    await nursery.advance(10_000);
    expect(why).to.equal('never joined');
    expect(nursery.lives).to.have.length(1);
  });
});
