/**
 * `npm run fidelity`: the same workloads on the real system of this machine and in the simulator,
 * side by side, and docs/fidelity.md from it. Every round calibrates anew, for others may share the
 * machine; what was run before is not run again.
 */

import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { predictBatchMs } from '../../actors/domain/profile.ts';
import type { Variant } from '../../actors/domain/variant.ts';
import { modelledConstants } from '../../sim/profiles/modelled.ts';
import { readScenario } from '../../sim/command/read-scenario.ts';
import { runScenario } from '../../sim/scenario/run-scenario.ts';
import { readKept, writeKept } from '../experiments/kept.ts';
import { root } from '../processes.ts';
import { median } from '../statistics.ts';
import { profileModels } from '../zoo-here.ts';
import {
  agreementsOf,
  type Calibration,
  calibrationOf,
  type Figures,
  figuresOf,
} from './figures.ts';
import { models, preload, type RealSystem, startRealSystem } from './real-system.ts';
import { atPace, calibration, durationS, type Workload, workloads, warmUpS } from './workloads.ts';
import { type Compared, reportOf } from './write-report.ts';

const usage = `npm run fidelity -- [options]

Runs ${String(workloads.length)} workloads on real processes here and in the simulator, and compares
p50, p99, goodput, violations and batches. Writes docs/fidelity.md.

  --rounds N     repeats of each workload (default 7)
  --only WORD    workloads whose name contains WORD; prints and does not write
  --folder DIR   where results are kept (default .experiments/fidelity)
  --profile-ms N for each model (default 5000)
  --kept         runs nothing: reports what is there
  --json         prints the comparison as one JSON document

Example: npm run fidelity -- --rounds 3 --only low
Exit code 0: all within the bounds; 1: not all; 2: wrong usage.`;

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '7' },
    only: { type: 'string', default: '' },
    folder: { type: 'string', default: join(root, '.experiments', 'fidelity') },
    'profile-ms': { type: 'string', default: '5000' },
    kept: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
const rounds = Number(values.rounds);
const hopMaxMs = 20;
const profilesPath = join(values.folder, 'profiles.json');
const chosen = workloads.filter(({ id }) => id.includes(values.only));

interface Round {
  /** Of the machine over the last minute: ours is about one. */
  readonly load?: number;
  readonly real: Figures;
  readonly simulated: Figures;
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** What the simulator is given: a file that `infaas simulate` runs too. */
function scenarioFile(
  workload: Workload,
  variants: readonly Variant[],
  seed: number,
  measured: Calibration | undefined,
): string {
  const { id, about } = workload;
  const hops = measured === undefined ? 1 : measured.hopMs / modelledConstants.hopMs;
  const scenario = {
    ...{ name: id, about, seed, durationS, warmUpS },
    fleet: [{ name: 'worker', units: 1, memory: '4GiB', usdPerHour: 0.048 }],
    variants: variants.map(({ id: variant, architecture, task, dataset, accuracy, profile }) => ({
      ...{ id: variant, architecture, task, dataset, accuracy, loadMs: profile.loadMs },
      memory: `${String(Math.ceil(profile.memoryBytes / 2 ** 20))}MiB`,
      latencyMs: Object.fromEntries(
        profile.latency.map(({ batch }) => [batch, predictBatchMs(profile, batch)]),
      ),
    })),
    ...{
      preload,
      ...atPace(workload, heavyAloneMs(variants)),
      spread: 0,
      modelled: { hopMs: hops },
    },
    ...(measured === undefined ? {} : { noise: measured.noise }),
  };
  const folder = join(values.folder, 'scenarios');
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `${id}-${String(seed)}.yaml`);
  writeFileSync(file, JSON.stringify(scenario));
  return file;
}

function heavyAloneMs(variants: readonly Variant[]): number {
  const profiled = variants.find(({ id }) => id === models[0]);
  if (profiled === undefined) throw new Error(`${models[0] ?? ''} has no profile`);
  return predictBatchMs(profiled.profile, 1);
}

/** Queries that waited for one another, on a machine that others fill, calibrate nothing. */
function isUsable({ hopMs, noise }: Calibration): boolean {
  return hopMs < hopMaxMs && noise.every((factor) => Number.isFinite(factor));
}

async function playRound(
  system: RealSystem,
  variants: readonly Variant[],
  round: number,
): Promise<void> {
  const pathOf = ({ id }: Workload): string => join(values.folder, id, `${String(round)}.json`);
  const missing = chosen.filter((workload) => readKept(pathOf(workload)) === undefined);
  if (missing.length === 0) return;
  // Anew each round, for what others do on the machine changes.
  const sent = readScenario(scenarioFile(calibration, variants, round, undefined));
  const measured = calibrationOf(await system.play(sent), heavyAloneMs(variants));
  if (!isUsable(measured)) {
    say(`round ${String(round)}: the machine is too busy to calibrate; left out`);
    return;
  }
  for (const workload of missing) {
    const scenario = readScenario(scenarioFile(workload, variants, round, measured));
    const real = figuresOf(await system.play(scenario), durationS);
    const { latencyMs, goodputQps, violations, batchMean } = runScenario(scenario);
    const simulated = {
      ...{ p50Ms: latencyMs.p50, p99Ms: latencyMs.p99, goodputQps, violations, batchMean },
    };
    writeKept(pathOf(workload), { load: loadavg()[0] ?? 0, real, simulated } satisfies Round);
    const p50s = `p50 ${real.p50Ms.toFixed(1)} ms real, ${simulated.p50Ms.toFixed(1)} ms simulated`;
    say(`round ${String(round)} of ${String(rounds)}, ${workload.id}: ${p50s}`);
  }
}

async function run(): Promise<void> {
  let variants = readKept(profilesPath) as Variant[] | undefined;
  if (variants === undefined) {
    variants = await profileModels(models, Number(values['profile-ms']), (model) => {
      say(`profiling ${model}`);
    });
    writeKept(profilesPath, variants);
  }
  const system = await startRealSystem(variants);
  try {
    for (let round = 1; round <= rounds; round += 1) await playRound(system, variants, round);
  } finally {
    await system.stop();
  }
}

function compare(): Compared[] {
  return chosen.flatMap((workload) => {
    const kept = Array.from({ length: rounds }, (_, at) =>
      readKept(join(values.folder, workload.id, `${String(at + 1)}.json`)),
    ).filter((each) => each !== undefined) as Round[];
    if (kept.length === 0) return [];
    const agreements = agreementsOf(
      kept.map(({ real }) => real),
      kept.map(({ simulated }) => simulated),
    );
    const load = median(kept.map((round) => round.load ?? NaN));
    return [{ workload, rounds: kept.length, load, agreements }];
  });
}

async function main(): Promise<void> {
  if (!values.kept) await run();
  const compared = compare();
  if (compared.length === 0) {
    say('nothing could be compared: run it again when the machine is quieter');
    process.exitCode = 1;
    return;
  }
  const commit = spawnSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: root });
  const text = reportOf(compared, {
    machine: cpus()[0]?.model ?? 'unknown CPU',
    cores: availableParallelism(),
    aloneMs: heavyAloneMs((readKept(profilesPath) as Variant[] | undefined) ?? []),
    commit: commit.stdout.toString().trim(),
    date: new Date().toISOString().slice(0, 10),
  });
  if (values.only === '') writeFileSync(join(root, 'docs', 'fidelity.md'), text);
  console.log(values.json ? JSON.stringify({ compared }) : text);
  const all = compared.every(({ agreements }) => agreements.every(({ within }) => within));
  process.exitCode = all ? 0 : 1;
}

if (values.help) console.log(usage);
else if (!(rounds >= 1 && Number(values['profile-ms']) >= 100) || chosen.length === 0) {
  say(usage);
  process.exitCode = 2;
} else {
  await main().catch((error: unknown) => {
    say(error instanceof Error ? (error.stack ?? error.message) : String(error));
    process.exitCode = 1;
  });
}
