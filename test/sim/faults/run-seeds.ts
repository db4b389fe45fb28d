/**
 * `npm run test:sim [-- --seeds N] [--seed S] [--jobs J]`: plays N seeds from S on, in J processes,
 * and says what they met. A seed that fails is shrunk, and printed with the command that replays
 * it. Exit code 1 when one fails, or when, over enough seeds, a fault never met a state.
 */

import { fork } from 'node:child_process';
import { availableParallelism } from 'node:os';
import process, { argv, exit } from 'node:process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { bodyDecoders } from '../../../nodes/wire-schemas.ts';
import { type FaultKind, faultKinds, metStates } from '../../../sim/faults/kinds.ts';
import { drawPlan, type Plan } from '../../../sim/faults/plan.ts';
import { playPlan } from '../../../sim/faults/play.ts';
import { shrinkPlan } from '../../../sim/faults/shrink.ts';

/** From so many seeds on, a fault that never met a state is a failure. */
const matrixSeedsMin = 500;
const replaysMax = 60;
const failuresShown = 10;

interface Played {
  readonly seed: number;
  readonly queries: number;
  readonly served: number;
  readonly nodes: number;
  readonly struck: number;
  readonly kinds: number;
  readonly met: readonly (readonly [FaultKind, readonly (readonly [string, number])[]])[];
  readonly wrongs: readonly string[];
}

function play(seed: number): Played {
  const {
    plan: _,
    met,
    events: __,
    ...rest
  } = playPlan(drawPlan(seed), {
    decoders: bodyDecoders,
  });
  const rows = [...met].map(([kind, states]) => [kind, [...states]] as const);
  return { seed, ...rest, met: rows };
}

/** A child plays every `jobs`-th seed and tells each at once. */
function playShare(first: number, seeds: number, jobs: number, job: number): void {
  for (let seed = first + job; seed < first + seeds; seed += jobs) process.send?.(play(seed));
}

function playAll(first: number, seeds: number, jobs: number): Promise<Played[]> {
  const played: Played[] = [];
  const children = Array.from({ length: jobs }, (_, job) => {
    const share = ['--share', [first, seeds, jobs, job].join(',')];
    const child = fork(fileURLToPath(import.meta.url), share);
    child.on('message', (one) => {
      played.push(one as Played);
      if (played.length % 100 === 0) print(`${played.length} of ${seeds} seeds`);
    });
    return new Promise<void>((resolve, reject) => {
      child.on('exit', (code) => {
        if (code === 0) resolve();
        else reject(new Error(`a process that plays seeds ended with code ${code}`));
      });
    });
  });
  return Promise.all(children).then(() => played);
}

function report(played: readonly Played[], tookMs: number): boolean {
  const failed = played.filter(({ wrongs }) => wrongs.length > 0);
  for (const one of failed.slice(0, failuresShown)) explain(one);
  const total = (of: (one: Played) => number): number =>
    played.reduce((sum, one) => sum + of(one), 0);
  print(
    `${played.length} seeds in ${(tookMs / 1000).toFixed(1)} s, ${failed.length} failed; ` +
      `${total(({ queries }) => queries)} queries, ${total(({ served }) => served)} served, ` +
      `${total(({ struck }) => struck)} faults`,
  );
  const median = (of: (one: Played) => number): number =>
    played.map(of).sort((a, b) => a - b)[played.length >> 1] ?? 0;
  print(
    `the median seed has ${median(({ queries }) => queries)} queries, ` +
      `${median(({ nodes }) => nodes)} nodes and ${median(({ struck }) => struck)} faults of ` +
      `${median(({ kinds }) => kinds)} kinds`,
  );
  const gaps = printMatrix(played);
  const gapsCount = played.length >= matrixSeedsMin && gaps > 0;
  if (gapsCount) print(`${gaps} pairs of fault and state were never met: that is a failure too`);
  return failed.length === 0 && !gapsCount;
}

function explain({ seed, wrongs }: Played): void {
  print(`seed ${seed} failed:`);
  for (const wrong of wrongs.slice(0, 5)) print(`  ${wrong}`);
  const shape = shapeOf(wrongs[0] ?? '');
  const fails = (plan: Plan): boolean =>
    playPlan(plan, { decoders: bodyDecoders }).wrongs.some((wrong) => shapeOf(wrong) === shape);
  const { faults, queries } = shrinkPlan(drawPlan(seed), fails, replaysMax);
  print(`  it takes ${queries.length} of its queries, and:`);
  for (const { kind, atMs, whenState, forMs } of faults) {
    const when = whenState === undefined ? `at ${atMs.toFixed(0)} ms` : `at the next ${whenState}`;
    print(`    ${kind} ${when}, for ${forMs} ms`);
  }
  print(`  replay: npm run test:sim -- --seeds 1 --seed ${seed}`);
}

/** What is wrong, whoever it is wrong with. */
function shapeOf(wrong: string): string {
  return wrong.replace(/\d+(?:\.\d+)?/g, '#').slice(0, 60);
}

/** How often each fault met each state; returns how many never did. */
function printMatrix(played: readonly Played[]): number {
  const counts = new Map<string, number>();
  for (const { met } of played) {
    for (const [kind, states] of met) {
      for (const [state, count] of states) {
        const cell = `${kind} ${state}`;
        counts.set(cell, (counts.get(cell) ?? 0) + count);
      }
    }
  }
  print(`${'fault'.padEnd(18)}${metStates.map((state) => state.padStart(12)).join('')}`);
  let gaps = 0;
  for (const kind of faultKinds) {
    const row = metStates.map((state) => counts.get(`${kind} ${state}`) ?? 0);
    gaps += row.filter((count) => count === 0).length;
    print(`${kind.padEnd(18)}${row.map((count) => String(count).padStart(12)).join('')}`);
  }
  return gaps;
}

function print(line: string): void {
  console.log(line);
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    args: argv.slice(2),
    options: {
      seeds: { type: 'string', default: '200' },
      seed: { type: 'string', default: '1' },
      jobs: { type: 'string', default: String(availableParallelism()) },
      share: { type: 'string' },
    },
  });
  if (values.share !== undefined) {
    const [first = 1, seeds = 0, jobs = 1, job = 0] = values.share.split(',').map(Number);
    playShare(first, seeds, jobs, job);
    return;
  }
  const [seeds, seed, jobs] = [values.seeds, values.seed, values.jobs].map(Number);
  if (![seeds, seed, jobs].every((value) => Number.isInteger(value) && Number(value) > 0)) {
    print('--seeds, --seed and --jobs are whole numbers above 0');
    exit(2);
  }
  const startedMs = performance.now();
  const played = await playAll(seed ?? 1, seeds ?? 0, Math.min(jobs ?? 1, seeds ?? 1));
  if (!report(played, performance.now() - startedMs)) exit(1);
}

await main();
