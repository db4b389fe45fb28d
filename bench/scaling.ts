/**
 * Scaling for real, with a report: our processes on a nats-server, the zoo's heavy architecture,
 * workers of one core each started by an agent. Prints one JSON document, writes an SVG.
 *
 *     node dist/bench/scaling.js ramp|interference|kills [--policy NAME] [--seconds N] [--out SVG]
 *
 * `ramp`: from 5 % to 150 % of the capacity of one core and back. `interference`: a neighbour takes
 * the core of the worker that serves. `kills`: a random worker is killed every 5 s at half load.
 */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';

import { predictBatchMs } from '../actors/domain/profile.ts';
import { connect } from '../client/index.ts';
import { startNatsServer } from '../nodes/adapters/nats-server.ts';
import { silentLogger } from '../runtime/log.ts';
import { type Started, startInfaas } from './processes.ts';
import { digitBytes } from './serving.ts';
import { percentile } from './statistics.ts';
import { type Panel, timeChart } from './time-chart.ts';
import { profileModels, registerMeasured } from './zoo-here.ts';

const usdPerCoreHour = 0.384 / 8;
const sampleMs = 500;
const killEveryMs = 5_000;

interface Answered {
  readonly atS: number;
  readonly ms: number;
  readonly ok: boolean;
  readonly met: boolean;
  readonly variant: string;
  readonly worker: string;
  /** Why it failed. */
  readonly why: string | undefined;
}

interface Sample {
  readonly atS: number;
  readonly rateQps: number;
  readonly workers: number;
  readonly instances: readonly { readonly variant: string; readonly state: string }[];
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    policy: { type: 'string' },
    seconds: { type: 'string', default: '60' },
    out: { type: 'string' },
  },
});
const scenario = positionals[0] ?? 'ramp';
const seconds = Number(values.seconds);

const architecture = 'resnet-tta';
/**
 * Ours has an instance on each worker, `lean` foresees more load than a slowed one carries: with
 * either, queries go elsewhere before an instance is judged. The paper's rules move it.
 */
const policy = values.policy ?? (scenario === 'interference' ? 'infaas-paper' : 'ours');

const variants = await profileModels(
  ['resnet-tta', 'cnn-large', 'cnn-small', 'mlp-wide', 'mlp', 'linear'].map((id) => `${id}-fp32`),
  1_000,
);
const profiled = variants.find((variant) => variant.architecture === architecture);
if (profiled === undefined) throw new Error(`${architecture} has no profile`);
const aloneMs = predictBatchMs(profiled.profile, 1);
/** Of one core. */
const capacityQps = 1_000 / aloneMs;
/** Wide enough under interference that slow answers are in time: it is to be seen, not fled. */
const latencyMs = scenario === 'interference' ? Math.max(300, 20 * aloneMs) : 300;

/** Queries a second at a share of the run: up to the middle, then down. */
const rates: Readonly<Record<string, (share: number) => number>> = {
  ramp: (share) => capacityQps * (0.05 + 1.45 * (1 - Math.abs(2 * share - 1))),
  interference: () => 0.15 * capacityQps,
  kills: () => 0.5 * capacityQps,
};
const rateAt = rates[scenario];
if (rateAt === undefined) throw new Error(`no scenario "${scenario}"`);

const server = await startNatsServer({ log: silentLogger });
const config = {
  policy,
  fleet: { limits: { cpu: { min: scenario === 'ramp' ? 1 : 2, max: 2 } } },
  worker: scenario === 'kills' ? { preload: { 'resnet-tta-fp32': 1 } } : {},
};
const nats = ['--nats', server.url];
const controller = await startInfaas('controller', [...nats, '--port', '0'], config);
const agent = await startInfaas('agent', [...nats, '--cores', '0-1', '--memory', '3GiB'], config);
const httpUrl = String(controller.ready['httpUrl']);
const neighbours: ChildProcess[] = [];

const answered: Answered[] = [];
const samples: Sample[] = [];
const events: string[] = [];
let sent = 0;

try {
  await until(async () => (await count('workers')) >= config.fleet.limits.cpu.min);
  const client = await connect(String(controller.ready['url']));
  for (const variant of variants) await registerMeasured(client, variant);
  const startMs = performance.now();
  const nowS = (): number => (performance.now() - startMs) / 1000;
  const sampling = setInterval(() => void sample(nowS()), sampleMs);
  const acting = actOn(scenario, nowS);
  const pending: Promise<void>[] = [];
  let due = 0;
  let before = 0;
  while (nowS() < seconds) {
    due += rateAt(nowS() / seconds) * (nowS() - before);
    before = nowS();
    for (; sent < due; sent += 1) pending.push(ask(client, sent, nowS));
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await Promise.all(pending);
  clearInterval(acting);
  // Long enough to see the second worker go: the peak is remembered for a minute, and then the
  // worker must have been wanted no more for another.
  const calmS = scenario === 'ramp' ? 150 : 0;
  await new Promise((resolve) => setTimeout(resolve, calmS * 1000));
  clearInterval(sampling);
  await client.close();
} finally {
  for (const neighbour of neighbours) neighbour.kill('SIGKILL');
  await agent.stop();
  await controller.stop();
  await server.stop();
}
report();

type Client = Awaited<ReturnType<typeof connect>>;

/** Every other query names the architecture; the rest would take any that is 99 % accurate. */
async function ask(client: Client, at: number, nowS: () => number): Promise<void> {
  const fromS = nowS();
  const what =
    scenario !== 'ramp' || at % 2 === 0
      ? { architecture, slo: { latencyMs } }
      : {
          task: 'digit-classification',
          dataset: 'mnist',
          slo: { latencyMs, accuracyMin: 99 },
        };
  const data = new Float32Array(digitBytes().buffer);
  const inputs = { image: { datatype: 'FP32' as const, shape: [1, 1, 28, 28], data } };
  const answer = await client.query({ ...what, timeoutMs: 20_000, inputs });
  answered.push({
    atS: nowS(),
    ms: (nowS() - fromS) * 1000,
    ok: answer.ok,
    met: answer.ok && answer.slo.met,
    variant: answer.ok ? answer.servedBy.variant : answer.error.code,
    worker: answer.ok ? answer.servedBy.worker : '',
    why: answer.ok ? undefined : answer.error.message,
  });
}

function actOn(what: string, nowS: () => number): NodeJS.Timeout | undefined {
  if (what === 'kills') {
    return setInterval(() => {
      const pids = childrenOf(agent);
      const victim = pids[Math.floor(Math.random() * pids.length)];
      if (victim === undefined) return;
      process.kill(victim, 'SIGKILL');
      events.push(`${nowS().toFixed(1)} s: worker process ${String(victim)} killed`);
    }, killEveryMs);
  }
  if (what !== 'interference') return undefined;
  return setTimeout(() => {
    const worker = answered.at(-1)?.worker ?? '';
    const core = coreOf(worker);
    const loop = ['-c', core, process.execPath, '-e', 'for (;;);'];
    neighbours.push(spawn('taskset', loop, { stdio: 'ignore' }));
    events.push(`${nowS().toFixed(1)} s: a neighbour on core ${core}, which ${worker} owns`);
  }, seconds * 300);
}

function childrenOf({ pid }: Pick<Started, 'pid'>): number[] {
  const { stdout } = spawnSync('ps', ['-o', 'pid=', '--ppid', String(pid)], { encoding: 'utf8' });
  return stdout.trim().split(/\s+/).filter(Boolean).map(Number);
}

/** As its command line says. */
function coreOf(worker: string): string {
  for (const pid of childrenOf(agent)) {
    const { stdout } = spawnSync('ps', ['-o', 'args=', '-p', String(pid)], { encoding: 'utf8' });
    const core = /--cores (\S+)/.exec(stdout)?.[1];
    if (stdout.includes(`--name ${worker} `) && core !== undefined) return core;
  }
  return '0';
}

async function list<T>(what: string): Promise<readonly T[]> {
  const response = await fetch(`${httpUrl}/v1/${what}`);
  return ((await response.json()) as Record<string, readonly T[]>)[what] ?? [];
}

async function count(what: string): Promise<number> {
  return (await list(what)).length;
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 100));
}

async function sample(atS: number): Promise<void> {
  const [workers, instances] = await Promise.all([
    count('workers'),
    list<Sample['instances'][number]>('instances'),
  ]);
  const rateQps = atS < seconds ? (rateAt?.(atS / seconds) ?? 0) : 0;
  samples.push({ atS, rateQps, workers, instances });
}

/** Shares and latencies in windows of two seconds. */
function windowed(of: (window: readonly Answered[]) => number): [number, number][] {
  const points: [number, number][] = [];
  for (let fromS = 0; fromS < seconds; fromS += 2) {
    const window = answered.filter(({ atS }) => atS >= fromS && atS < fromS + 2);
    if (window.length > 0) points.push([fromS + 2, of(window)]);
  }
  return points;
}

function report(): void {
  const served = [...new Set(answered.map(({ variant }) => variant))].sort();
  const over = (value: (each: Sample) => number): [number, number][] =>
    samples.map((each) => [each.atS, value(each)]);
  const latency = (window: readonly Answered[]): number =>
    percentile(Float64Array.from(window.map(({ ms }) => ms)).sort(), 0.5);
  const costUsd = samples.reduce(
    (sum, { workers }) => sum + (workers * usdPerCoreHour * sampleMs) / 3_600_000,
    0,
  );
  const panels: Panel[] = [
    { title: 'load, queries a second', lines: [{ name: 'sent', points: over((s) => s.rateQps) }] },
    { title: 'workers', lines: [{ name: 'workers', points: over((s) => s.workers) }] },
    {
      title: 'instances',
      lines: [...new Set(samples.flatMap((s) => s.instances.map(({ variant }) => variant)))].map(
        (name) => ({
          name,
          points: over((s) => s.instances.filter(({ variant }) => variant === name).length),
        }),
      ),
    },
    {
      title: 'instances, by state',
      lines: [...new Set(samples.flatMap((s) => s.instances.map(({ state }) => state)))].map(
        (name) => ({
          name,
          points: over((s) => s.instances.filter(({ state }) => state === name).length),
        }),
      ),
    },
    {
      title: 'answers a second, by variant',
      lines: served.map((name) => ({
        name,
        points: windowed((window) => window.filter(({ variant }) => variant === name).length / 2),
      })),
    },
    { title: 'median latency, ms', lines: [{ name: 'p50', points: windowed(latency) }] },
    {
      title: `violations (over ${latencyMs.toFixed(0)} ms, or failed), %`,
      lines: [
        {
          name: 'violations',
          points: windowed((w) => (100 * w.filter(({ met }) => !met).length) / w.length),
        },
      ],
    },
    {
      title: 'cost, US dollars an hour',
      lines: [{ name: 'cores', points: over((s) => s.workers * usdPerCoreHour) }],
    },
  ];
  const out = values.out ?? `scaling-${scenario}.svg`;
  writeFileSync(out, timeChart(`infaas: ${scenario}`, panels));
  const failed = answered.filter(({ ok }) => !ok).length;
  console.log(
    JSON.stringify({
      ...{ scenario, seconds, sent, answered: answered.length, failed, events, costUsd, out },
      succeeded: (answered.length - failed) / answered.length,
      violations: answered.filter(({ met }) => !met).length / answered.length,
      workersMax: Math.max(...samples.map(({ workers }) => workers)),
      workersAtEnd: samples.at(-1)?.workers,
      variants: Object.fromEntries(
        served.map((name) => [name, answered.filter(({ variant }) => variant === name).length]),
      ),
      failures: [...new Set(answered.flatMap(({ why }) => why ?? []))].slice(0, 10),
      byWorker: [...new Set(answered.map(({ worker }) => worker))],
      medianMs: windowed(latency).map(([atS, ms]) => [atS, Math.round(ms)]),
    }),
  );
}
