/** Measuring on a worker's machine: every way in which a request may end, on both sides of it. */

import { expect } from 'chai';

import type { ProfilerEvent, ProfilerMessage } from '../../../actors/registrar/profiler-port.ts';
import { queryError } from '../../../actors/domain/outcome.ts';
import { LabFailed } from '../../../nodes/lab/errors.ts';
import type { ModelLab } from '../../../nodes/lab/lab.ts';
import { openProfiler } from '../../../nodes/registrar/profiler.ts';
import { type RemoteOutcome, RemoteProfiling } from '../../../nodes/registrar/remote-profiling.ts';
import { type ActorHost, refOf, type Terminated } from '../../../runtime/actor.ts';
import { StoreFailed } from '../../../runtime/errors.ts';
import { silentLogger } from '../../../runtime/log.ts';
import { VirtualClock } from '../../../sim/virtual-clock.ts';
import { perQuery } from '../../support/variants.ts';

type Message = ProfilerMessage | ProfilerEvent;

/** What of a host both sides use: one port, messages told, one watch. */
class Desk {
  readonly told: Message[] = [];
  receive: (message: Message) => void = () => undefined;
  end: (terminated: Terminated) => void = () => undefined;
  isWatched = false;
  readonly host = {
    port: (name: string, receive: (message: Message) => void) => {
      this.receive = receive;
      return refOf<Message>('here', 1, `/${name}`);
    },
    closePort: () => undefined,
    tell: (_to: unknown, message: Message) => {
      this.told.push(message);
    },
    watch: (_target: unknown, notify: (terminated: Terminated) => void) => {
      this.end = notify;
      this.isWatched = true;
      return () => {
        this.isWatched = false;
      };
    },
  } as unknown as ActorHost;
}

const profiler = refOf<ProfilerMessage>('far', 0, '/profiler');
const file = { path: '/there/m.onnx', sha256: 'a'.repeat(64), bytes: 10 };
const fit = { signature: { inputs: {}, outputs: {} }, recipe: undefined };
const what = { file, fit, batchMax: 8, budgetMs: 100 };
const profile = { loadMs: 1, memoryBytes: 10, latency: perQuery(2), measuredOn: 'a CPU' };
const silentMs = 1_000;

describe('a model that a worker is to measure', () => {
  const clock = new VirtualClock();
  let desk: Desk;
  let ended: AbortController;
  let outcome: Promise<RemoteOutcome>;
  let requestId: string;
  beforeEach(() => {
    desk = new Desk();
    ended = new AbortController();
    const remote = new RemoteProfiling(desk.host, clock, silentMs);
    outcome = remote.measure(profiler, what, { signal: ended.signal });
    const [asked] = desk.told;
    if (asked?.type !== 'profiler.measure') throw new Error('nothing was asked');
    expect(asked).to.include({ file, batchMax: 8, budgetMs: 100 });
    ({ requestId } = asked);
  });
  const tell = (told: Extract<ProfilerEvent, { type: 'profiles.measured' }>['outcome']): void => {
    desk.receive({ type: 'profiles.measured', requestId, outcome: told });
  };
  const pass = (ms: number): void => {
    const untilMs = clock.nowMs() + ms;
    clock.schedule(ms, () => undefined);
    while (clock.nextDueMs <= untilMs) clock.step();
  };
  const cancelled = (): boolean => desk.told.some(({ type }) => type === 'profiler.cancel');

  it('has the profile that it tells, and nothing is left of the request', async () => {
    tell({ ok: true, profile, batchMax: 4 });
    expect(await outcome).to.deep.include({ is: 'measured', profile, batchMax: 4 });
    expect(desk.isWatched).to.equal(false);
    pass(2 * silentMs);
    ended.abort();
    expect(cancelled()).to.equal(false);
  });

  it('is refused with its verdict', async () => {
    const error = queryError('bad_input', 'it hangs');
    tell({ ok: false, error, elsewhere: false });
    expect(await outcome).to.deep.equal({ is: 'refused', error });
  });

  it('is lost where the worker could not do it', async () => {
    tell({ ok: false, error: queryError('unavailable', 'no such file'), elsewhere: true });
    expect(await outcome).to.deep.equal({ is: 'lost', why: 'no such file' });
  });

  it('is lost when the worker ends', async () => {
    desk.end({ type: 'runtime.terminated', address: profiler, reason: 'node-down', detail: '' });
    expect(await outcome)
      .to.include({ is: 'lost' })
      .and.have.property('why')
      .match(/node-down/);
  });

  it('is lost when the worker falls silent; progress is a sign of life', async () => {
    pass(silentMs - 1);
    desk.receive({ type: 'profiles.progressed', requestId, done: 1, total: 7 });
    pass(silentMs - 1);
    expect(cancelled()).to.equal(false);
    pass(1);
    expect(await outcome).to.include({ is: 'lost' });
    expect(cancelled()).to.equal(true);
  });

  it('is called off with its registration', async () => {
    ended.abort();
    expect(await outcome).to.include({ is: 'lost' });
    expect(cancelled()).to.equal(true);
  });
});

describe('a worker that is to measure a model', () => {
  /** What it tells, where fetching and measuring go as given. */
  async function told(
    measure: () => unknown,
    acquire: () => unknown = () => ({ file, release: () => undefined }),
  ): Promise<Extract<ProfilerEvent, { type: 'profiles.measured' }>['outcome']> {
    const desk = new Desk();
    const lab = {
      profile: () => Promise.resolve().then(measure),
      close: () => Promise.resolve(),
    } as unknown as ModelLab;
    const files = { acquire: () => Promise.resolve().then(acquire) } as never;
    openProfiler({ host: desk.host, log: silentLogger, lab, files, workerId: 'far' });
    const replyTo = refOf<ProfilerEvent>('controller', 1, '/profiles');
    desk.receive({ type: 'profiler.measure', requestId: 'r', replyTo, ...what });
    await new Promise(setImmediate);
    const [event] = desk.told;
    if (event?.type !== 'profiles.measured') throw new Error('nothing was told');
    return event.outcome;
  }

  it('tells the profile, and that it is its own', async () => {
    const provenance = { cpu: 'c', cores: 1, runtime: 'r', date: 'd', samples: 1, spread: 0 };
    const outcome = await told(() => ({ profile: { ...profile, provenance }, batchMax: 4 }));
    expect(outcome).to.include({ ok: true, batchMax: 4 });
    expect(outcome).to.have.nested.property('profile.measuredOn', 'a CPU, worker far');
    expect(outcome).to.have.nested.property('profile.provenance.worker', 'far');
  });

  for (const how of ['hung', 'killed', 'out_of_memory', 'threw'] as const) {
    it(`tells a verdict on a model that is ${how}`, async () => {
      const outcome = await told(() => {
        throw new LabFailed(how, 'measuring', 'so it was', 'm.onnx');
      });
      expect(outcome).to.deep.include({ ok: false, elsewhere: false });
      expect(outcome).to.have.nested.property('error.code', 'bad_input');
    });
  }

  for (const how of ['busy', 'cancelled', 'not_started'] as const) {
    it(`tells that another may manage where its lab is ${how}`, async () => {
      const outcome = await told(() => {
        throw new LabFailed(how, 'waiting', 'so it was', 'm.onnx');
      });
      expect(outcome).to.deep.include({ ok: false, elsewhere: true });
    });
  }

  it('tells that another may manage where it cannot fetch the file', async () => {
    const outcome = await told(
      () => undefined,
      () => {
        throw new StoreFailed('there is no shared repository', 'it');
      },
    );
    expect(outcome).to.deep.include({ ok: false, elsewhere: true });
  });
});
