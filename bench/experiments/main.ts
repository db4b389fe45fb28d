/**
 * `npm run experiments`: runs every experiment, keeps each run's result, and writes
 * docs/experiments.md
 * with its charts. What was run before is not run again, so it may be stopped and started at will.
 */

import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import {
  selectionPolicies,
  type SelectionPolicyName,
} from '../../actors/policy/selection/index.ts';
import { root } from '../processes.ts';
import { experiments } from './catalogue.ts';
import { changedCells, mainCells, seedsOf } from './cells.ts';
import { type DecisionTimes, measureDecisions } from './decision-overhead.ts';
import { dotChart } from './dot-chart.ts';
import { type GapFigures, measureGaps } from './exact-gap.ts';
import { type Cell, type Experiment } from './experiment.ts';
import { readKept, writeKept } from './kept.ts';
import { type Kept, resultsOf } from './pool.ts';
import { summarise } from './summary.ts';
import { type Reported, reportOf } from './write-report.ts';

const usage = `npm run experiments -- [options]

Runs the experiments of docs/experiments.md and writes it anew, with a chart and a JSON file each in
docs/experiments/. Results are kept run by run: what is there is not run again.

  --only WORD         those whose name contains WORD (${experiments.map(({ id }) => id).join(', ')},
                      overhead, exact); the report is not written then, but printed
  --seeds N           seeds of every run (default 10)
  --constant-seeds N  seeds with each modelled constant halved and doubled (default 2; 0: none)
  --again CONTENDER   runs again what is kept of it: a policy that has changed, say
  --jobs N            threads (default ${String(availableParallelism())})
  --folder DIR        where results are kept (default .experiments)
  --kept              runs nothing: writes the report of what is there
  --json              prints the summaries as one JSON document

Example: npm run experiments -- --only overload --seeds 3 --constant-seeds 0
Exit code 0: done; 1: a run failed; 2: wrong usage.`;

interface Options {
  readonly only: string;
  readonly seeds: number;
  readonly constantSeeds: number;
  readonly jobs: number;
  readonly folder: string;
  readonly kept: boolean;
  readonly json: boolean;
  readonly again: string | undefined;
}

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      only: { type: 'string', default: '' },
      seeds: { type: 'string', default: '10' },
      'constant-seeds': { type: 'string', default: '2' },
      again: { type: 'string' },
      jobs: { type: 'string', default: String(availableParallelism()) },
      folder: { type: 'string', default: join(root, '.experiments') },
      kept: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(usage);
    process.exit(0);
  }
  const count = (text: string, least: number, name: string): number => {
    if (/^\d+$/.test(text) && Number(text) >= least) return Number(text);
    throw new TypeError(`--${name} "${text}": give a number from ${String(least)}`);
  };
  return {
    again: values.again,
    ...{ only: values.only, folder: values.folder, kept: values.kept, json: values.json },
    seeds: count(values.seeds, 1, 'seeds'),
    constantSeeds: count(values['constant-seeds'], 0, 'constant-seeds'),
    jobs: count(values.jobs, 1, 'jobs'),
  };
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

type Stage = 'main' | 'changed';

async function run(
  experiment: Experiment,
  stage: Stage,
  options: Options,
): Promise<ReadonlyMap<Cell, Kept>> {
  const { folder, jobs, kept, seeds, constantSeeds, again } = options;
  const startedMs = performance.now();
  const cells =
    stage === 'main'
      ? mainCells(experiment, seedsOf(seeds))
      : changedCells(experiment, seedsOf(constantSeeds));
  return resultsOf(cells, {
    ...{ folder, jobs, onlyKept: kept, again, commit: commit() },
    onProgress: (done, of, { caseId, contender, seed }, tookS) => {
      const minutes = ((performance.now() - startedMs) / 60_000).toFixed(1);
      const cell = `${caseId} ${contender} seed ${String(seed)}, ${tookS.toFixed(1)} s`;
      say(`${experiment.id} ${stage} ${String(done)}/${String(of)}, ${minutes} min: ${cell}`);
    },
  });
}

/** All as they stand first: what is changed takes longest, and matters to claims alone. */
async function runAll(options: Options): Promise<Reported[]> {
  const chosen = experiments.filter(({ id }) => id.includes(options.only));
  const main: ReadonlyMap<Cell, Kept>[] = [];
  for (const experiment of chosen) main.push(await run(experiment, 'main', options));
  const reported: Reported[] = [];
  for (const [at, experiment] of chosen.entries()) {
    const changed = await run(experiment, 'changed', options);
    const summary = summarise(experiment, main[at] ?? new Map(), changed);
    const runs = [...(main[at]?.values() ?? []), ...changed.values()];
    reported.push({ experiment, summary, commits: runs.map((each) => each.commit ?? 'unknown') });
  }
  return reported;
}

function decisionTimes(options: Options): readonly DecisionTimes[] | undefined {
  const path = join(options.folder, 'overhead.json');
  const there = readKept(path) as readonly DecisionTimes[] | undefined;
  if (there !== undefined || options.kept) return there;
  say('overhead: measuring decisions');
  const times = measureDecisions(Object.keys(selectionPolicies) as SelectionPolicyName[]);
  writeKept(path, times);
  return times;
}

async function gapFigures(options: Options): Promise<readonly GapFigures[] | undefined> {
  const path = join(options.folder, `exact-${String(options.seeds)}.json`);
  const there = readKept(path) as readonly GapFigures[] | undefined;
  if (there !== undefined || options.kept) return there;
  const gaps = await measureGaps([10, 50, 100], options.seeds, (architectures, draw) => {
    say(`exact: ${String(architectures)} architectures, draw ${String(draw)}`);
  });
  writeKept(path, gaps);
  return gaps;
}

function commit(): string {
  const { stdout } = spawnSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: root });
  return stdout.toString().trim() || 'unknown';
}

async function main(): Promise<void> {
  const options = readOptions();
  const wanted = (id: string): boolean => id.includes(options.only);
  const overhead = wanted('overhead') ? decisionTimes(options) : undefined;
  const gaps = wanted('exact') ? await gapFigures(options) : undefined;
  const reported = await runAll(options);
  const text = reportOf(reported, overhead, gaps, {
    seeds: options.seeds,
    changedSeeds: options.constantSeeds,
    machine: `${cpus()[0]?.model ?? 'unknown CPU'}, ${String(availableParallelism())} cores`,
    date: new Date().toISOString().slice(0, 10),
  });
  if (options.only === '') write(reported, text);
  if (options.json) {
    const summaries = reported.map(({ summary }) => summary);
    console.log(JSON.stringify({ experiments: summaries, overhead, exact: gaps }));
  } else console.log(options.only === '' ? 'docs/experiments.md is written' : text);
}

function write(reported: readonly Reported[], text: string): void {
  const folder = join(root, 'docs', 'experiments');
  mkdirSync(folder, { recursive: true });
  for (const { experiment, summary } of reported) {
    writeFileSync(join(folder, `${experiment.id}.svg`), dotChart(experiment, summary.rows));
    writeFileSync(join(folder, `${experiment.id}.json`), `${JSON.stringify(summary, null, 1)}\n`);
  }
  writeFileSync(join(root, 'docs', 'experiments.md'), text);
}

try {
  await main();
} catch (error) {
  say(error instanceof Error ? error.message : String(error));
  process.exitCode = error instanceof TypeError ? 2 : 1;
}
