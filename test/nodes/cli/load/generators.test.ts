/** Open and closed loop under virtual time: what is sent when, and what is counted. */

import { expect } from 'chai';

import { InFlight, runClosedLoop, runOpenLoop } from '../../../../nodes/cli/load/generators.ts';
import { type LoadResult, LoadRecorder } from '../../../../nodes/cli/load/recorder.ts';
import { seededRandom } from '../../../../runtime/random.ts';
import { VirtualClock } from '../../../../sim/virtual-clock.ts';

const served = { ok: true, variant: 'v', sloMet: true } as const;

/** A system that answers each query after `serviceMs`, one at a time where `alone`. */
class StandIn {
  readonly clock = new VirtualClock();
  readonly results: LoadResult[] = [];
  readonly sentMs: number[] = [];
  private freeMs = 0;
  private readonly serviceMs: number;
  private readonly alone: boolean;
  private readonly abort = new AbortController();

  constructor(serviceMs: number, alone = false) {
    this.serviceMs = serviceMs;
    this.alone = alone;
  }

  options(inFlightMax = 1_000, outcome: LoadResult['outcome'] = served) {
    const { clock } = this;
    return {
      ...{ clock, inFlightMax, stop: this.abort.signal },
      record: (result: LoadResult) => this.results.push(result),
      send: () => {
        this.sentMs.push(clock.nowMs());
        const startMs = this.alone ? Math.max(clock.nowMs(), this.freeMs) : clock.nowMs();
        this.freeMs = startMs + this.serviceMs;
        return new Promise<LoadResult['outcome']>((resolve) => {
          clock.schedule(this.freeMs - clock.nowMs(), () => {
            resolve(outcome);
          });
        });
      },
    };
  }

  stopAt(ms: number): void {
    this.clock.schedule(ms, () => {
      this.abort.abort();
    });
  }

  /** Runs everything; promises settle between events. */
  async play(): Promise<void> {
    do await new Promise((resolve) => setImmediate(resolve));
    while (this.clock.step());
  }
}

describe('runOpenLoop', () => {
  it('sends at its times, whatever comes back', async () => {
    const system = new StandIn(1_000);
    const done = runOpenLoop(system.options(), new InFlight(), [0, 10, 250, 1_200].values());
    await system.play();
    await done;
    expect(system.sentMs).to.deep.equal([0, 10, 250, 1_200]);
  });

  it('counts latency from when a query was due, so that a queue shows', async () => {
    const system = new StandIn(100, true);
    void runOpenLoop(system.options(), new InFlight(), [0, 10, 20].values());
    await system.play();
    expect(system.results.map(({ endedMs, intendedMs }) => endedMs - intendedMs)).to.deep.equal([
      100, 190, 280,
    ]);
  });

  it('records what its own bound kept back as not_sent', async () => {
    const system = new StandIn(100);
    void runOpenLoop(system.options(2), new InFlight(), [0, 1, 2, 200].values());
    await system.play();
    const codes = system.results.map(({ outcome }) => (outcome.ok ? 'ok' : outcome.code));
    expect(codes).to.have.members(['ok', 'ok', 'not_sent', 'ok']);
    expect(system.sentMs).to.deep.equal([0, 1, 200]);
  });

  it('stops when told to', async () => {
    const system = new StandIn(1);
    system.stopAt(50);
    const done = runOpenLoop(system.options(), new InFlight(), [0, 40, 10_000].values());
    await system.play();
    await done;
    expect(system.sentMs).to.deep.equal([0, 40]);
  });
});

describe('runClosedLoop', () => {
  it('keeps so many in flight, until its time is over', async () => {
    const system = new StandIn(100);
    const done = runClosedLoop(system.options(), new InFlight(), 3, 1_000);
    await system.play();
    await done;
    expect(system.results).to.have.length(30);
    expect(system.sentMs.filter((ms) => ms === 0)).to.have.length(3);
  });

  it('does not hammer a system that refuses', async () => {
    const system = new StandIn(0);
    const refused = { ok: false, code: 'unavailable' } as const;
    const done = runClosedLoop(system.options(1_000, refused), new InFlight(), 1, 1_000);
    await system.play();
    await done;
    expect(system.results.length).to.be.within(40, 60);
  });
});

describe('LoadRecorder', () => {
  it('counts attainment over all queries, by this side’s clock', () => {
    const recorder = new LoadRecorder(20, seededRandom(1));
    const result = (ms: number, outcome: LoadResult['outcome'] = served): LoadResult => ({
      ...{ intendedMs: 0, sentMs: 1, endedMs: ms, outcome },
    });
    for (const ms of [5, 20, 21]) recorder.record(result(ms));
    recorder.record(result(3, { ok: false, code: 'overloaded' }));
    recorder.giveUp(1);
    const totals = recorder.totals();
    expect(totals).to.deep.include({
      ...{ queries: 5, ok: 3, sloAttainment: 2 / 5, sloMetReported: 3 },
      errors: { overloaded: 1, unanswered: 1 },
      variants: { v: 3 },
    });
    expect(totals.latencyMs).to.include({ count: 3, max: 21 });
  });
});
