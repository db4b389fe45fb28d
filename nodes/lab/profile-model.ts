/**
 * The profile of a model: load time, memory, and latency by batch, measured as the engine runs it,
 * within a time and a memory budget. What to measure next is `policy/profiling/schedule.ts`'s say.
 *
 * A load is what a worker does for it: the files are hashed (`stores/model-files.ts`), and a
 * session is made. Cold is the first session of the file in a new process, warm a later one in the
 * same process. The file itself is in the system's cache in either case: no program can put it out
 * without privilege.
 */

import { cpus, hostname } from 'node:os';
import { dirname, join } from 'node:path';

import { env } from 'onnxruntime-node';

import {
  type LatencyPoint,
  type Profile,
  predictFit,
  type Provenance,
} from '../../actors/domain/profile.ts';
import { fitLatency } from '../../actors/policy/profiling/fit.ts';
import { planTurn, type SamplingTurn } from '../../actors/policy/profiling/schedule.ts';
import { summariseTimings } from '../../actors/policy/profiling/spread.ts';
import { messageOf } from '../../runtime/errors.ts';
import type { NamedTensors } from '../../runtime/wire/tensors.ts';
import type { SessionSettings } from '../engine/messages.ts';
import { hashFile } from '../stores/receive-blob.ts';
import { findSample } from './check-model.ts';
import { createMemoryGauge, type MemoryGauge } from './memory.ts';
import type { LabLimits, ProfileOptions, ProfileReport, Recipe, Report } from './messages.ts';
import { type FedModel, feedModel, openModel, prepareBatch, runBatch } from './model-run.ts';
import { makeSample } from './sample.ts';
import { createStopwatch } from './stopwatch.ts';

/**
 * Of the memory budget; allocators take more than is asked, and beyond it the process is killed.
 */
const foreseenShare = 0.8;

/** Loads after the first, at most. */
const warmLoadsMax = 5;

/** Throws ModelRefused where it does not load or run at batch 1. */
export async function profileModel(
  file: string,
  options: ProfileOptions,
  settings: SessionSettings,
  limits: LabLimits,
  report: Report,
): Promise<ProfileReport> {
  const budgetMs = options.budgetMs ?? limits.profileMs;
  const gauge = createMemoryGauge();
  report('loading');
  const model = await openModel(file, settings);
  let sampling: Sampling;
  try {
    const fed = feedModel(model, options);
    const samples = await samplesFor(fed, options, limits, report);
    gauge.look();
    sampling = await sampleBatches(fed, samples, { options, limits, budgetMs, gauge, report });
  } finally {
    await model.onnx.release();
  }
  report('loading again');
  const sessionMs = await warmSessionMs(file, settings, budgetMs * limits.loadShare);
  report('hashing');
  const { bytes: fileBytes, ms: hashMs } = await hashAll(file, options.beside ?? []);
  const memoryBytes = Math.max(gauge.growthBytes(), fileBytes);
  const { batchMax, skipped } = sampling;
  const latency = latencyOf(sampling);
  const provenance = provenanceOf(latency);
  const profile: Profile = {
    loadMs: hashMs + sessionMs,
    loadColdMs: hashMs + model.createMs,
    memoryBytes,
    fileBytes,
    latency,
    fit: fitLatency(latency),
    threads: options.threads ?? 1,
    measuredOn: `${provenance.cpu}, ${provenance.runtime}, ${provenance.date.slice(0, 10)}`,
    provenance,
  };
  return { profile, batchMax, skipped };
}

/** What a batch is made of, its queries in turn. */
async function samplesFor(
  fed: FedModel,
  { samples, recipe }: ProfileOptions,
  limits: LabLimits,
  report: Report,
): Promise<readonly NamedTensors[]> {
  if (samples !== undefined && samples.length > 0) return samples;
  const made = (by: Recipe): NamedTensors => makeSample(fed.signature.inputs, by, 1);
  if (recipe !== undefined) return [made(recipe)];
  const found = await findSample(fed, undefined, limits.attemptsMax, report);
  return [made(found.recipe)];
}

interface SamplingContext {
  readonly options: ProfileOptions;
  readonly limits: LabLimits;
  readonly budgetMs: number;
  readonly gauge: MemoryGauge;
  readonly report: Report;
}

interface Sampling {
  /** Timings by batch, of each turn. */
  readonly timings: ReadonlyMap<number, readonly (readonly number[])[]>;
  readonly batchMax: number;
  readonly skipped: ProfileReport['skipped'];
}

async function sampleBatches(
  fed: FedModel,
  samples: readonly NamedTensors[],
  context: SamplingContext,
): Promise<Sampling> {
  const { options, limits, budgetMs, gauge, report } = context;
  const wanted = batchesWanted(options, limits);
  const endMs = performance.now() + budgetMs;
  const timings = new Map<number, number[][]>();
  const refused = new Map<number, string>();
  const memoryMax = limits.memoryBytesMax * foreseenShare;
  const growth = createGrowthForecast(gauge);
  let batchMax = wanted.at(-1) ?? 1;
  const timed = createStopwatch();
  for (;;) {
    const batches = wanted.filter((batch) => batch <= batchMax && !refused.has(batch));
    const sampled = [...timings].map(([batch, turns]) => ({ batch, turns }));
    const turn = planTurn(batches, sampled, endMs - performance.now(), limits.sampling);
    if (turn === undefined) break;
    report(`measuring batch ${String(turn.batch)}`, timings.size, batches.length);
    if (turn.first && growth.forecast(turn.batch) > memoryMax) {
      const why = 'its memory would exceed the budget';
      for (const batch of batches) if (batch >= turn.batch) refused.set(batch, why);
      continue;
    }
    try {
      const taken = await takeTurn(fed, samples, turn, timed, endMs, () => {
        report(`measuring batch ${String(turn.batch)}`, timings.size, batches.length);
      });
      timings.set(turn.batch, [...(timings.get(turn.batch) ?? []), taken]);
    } catch (error) {
      if (timings.size === 0) throw error;
      // What one batch cannot do, larger ones cannot: the instance's limit is the one before.
      const why = `it fails: ${messageOf(error)}`;
      for (const batch of wanted) if (batch >= turn.batch) refused.set(batch, why);
      batchMax = Math.max(...timings.keys());
    }
    growth.saw(turn.batch);
  }
  const skipped = wanted
    .filter((batch) => !timings.has(batch))
    .map((batch) => ({ batch, why: refused.get(batch) ?? 'the time was up' }));
  return { timings, batchMax, skipped };
}

/** Up to the limit, and the limit itself: it is what a full instance runs. */
function batchesWanted(options: ProfileOptions, limits: LabLimits): readonly number[] {
  const batches = [...new Set(options.batches ?? limits.batches)].sort((a, b) => a - b);
  const most = options.batchMax ?? batches.at(-1) ?? 1;
  const within = batches.filter((batch) => batch <= most);
  return within.includes(most) || options.batches !== undefined ? within : [...within, most];
}

async function takeTurn(
  fed: FedModel,
  samples: readonly NamedTensors[],
  turn: SamplingTurn,
  timed: ReturnType<typeof createStopwatch>,
  endMs: number,
  ran: () => void,
): Promise<number[]> {
  const queries = Array.from({ length: turn.batch }, (_, at) => samples[at % samples.length] ?? {});
  const prepared = prepareBatch(fed, queries);
  // The first run of a size allocates, and says nothing of those to come.
  await runBatch(fed, prepared);
  const taken: number[] = [];
  let saidMs = performance.now();
  for (let run = 0; run < turn.runs; run += 1) {
    taken.push(await timed(() => runBatch(fed, prepared)));
    const nowMs = performance.now();
    // A slow model's turn outlasts what counts as hung, unless each run is a sign of life.
    if (nowMs - saidMs > 500) {
      ran();
      saidMs = nowMs;
    }
    // A batch that took longer than foreseen may be left with fewer runs, but not with one.
    if (nowMs > endMs && taken.length >= 2) break;
  }
  return taken;
}

interface GrowthForecast {
  saw(batch: number): void;
  /** Resident bytes when a batch of that size runs, by the growth from batch to batch so far. */
  forecast(batch: number): number;
}

function createGrowthForecast(gauge: MemoryGauge): GrowthForecast {
  const seen: { readonly batch: number; readonly bytes: number }[] = [];
  return {
    saw: (batch) => {
      gauge.look();
      if (batch > (seen.at(-1)?.batch ?? 0)) seen.push({ batch, bytes: gauge.residentBytes() });
    },
    forecast: (batch) => {
      const [before, last] = [seen.at(-2), seen.at(-1)];
      if (before === undefined || last === undefined) return 0;
      const slope = Math.max(0, (last.bytes - before.bytes) / (last.batch - before.batch));
      return last.bytes + slope * (batch - last.batch);
    },
  };
}

/** Measured points, and the fit's for what was not, up to the limit. */
function latencyOf({ timings, batchMax, skipped }: Sampling): LatencyPoint[] {
  const measured = [...timings]
    .sort(([a], [b]) => a - b)
    .map(([batch, turns]): LatencyPoint => {
      const { p50Ms, p95Ms, p99Ms, samples, spread } = summariseTimings(turns);
      return { batch, ms: p50Ms, p95Ms, p99Ms, samples, spread };
    });
  const fit = fitLatency(measured);
  const predicted = skipped
    .filter(({ batch }) => batch <= batchMax)
    .map(({ batch }): LatencyPoint => ({ batch, ms: predictFit(fit, batch), predicted: true }));
  return [...measured, ...predicted].sort((a, b) => a.batch - b.batch);
}

function provenanceOf(latency: readonly LatencyPoint[]): Provenance {
  const measured = latency.filter(({ predicted }) => predicted !== true);
  const processors = cpus();
  return {
    host: hostname(),
    cpu: processors[0]?.model.trim() ?? 'unknown CPU',
    cores: Math.max(1, processors.length),
    runtime: `onnxruntime-node ${env.versions.node ?? 'of unknown version'}`,
    date: new Date().toISOString(),
    samples: measured.reduce((sum, { samples = 0 }) => sum + samples, 0),
    spread: Math.max(0, ...measured.map(({ spread = 0 }) => spread)),
  };
}

/** The model and what is beside it, as `model-files.ts` has them looked at before each load. */
async function hashAll(
  file: string,
  beside: readonly string[],
): Promise<{ readonly bytes: number; readonly ms: number }> {
  const startMs = performance.now();
  let bytes = 0;
  for (const path of [file, ...beside.map((name) => join(dirname(file), name))]) {
    bytes += (await hashFile(path))?.bytes ?? 0;
  }
  return { bytes, ms: performance.now() - startMs };
}

/** Median of as many as the time allows, one at least. */
async function warmSessionMs(
  file: string,
  settings: SessionSettings,
  budgetMs: number,
): Promise<number> {
  const endMs = performance.now() + budgetMs;
  const timings: number[] = [];
  do {
    const model = await openModel(file, settings);
    timings.push(model.createMs);
    await model.onnx.release();
  } while (timings.length < warmLoadsMax && performance.now() < endMs);
  return summariseTimings([timings]).p50Ms;
}
