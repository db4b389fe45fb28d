/**
 * How well a profile predicts batches that nobody measured. Each model of the zoo is profiled once,
 * over the batches of every profile and those in between, turn by turn in the same run; the fit
 * sees the former alone, and is compared with what was measured of the latter.
 *
 * Besides: how long a check and a quick profile take, which is what stands between `register` and
 * the first query served.
 */

import type { LatencyPoint } from '../actors/domain/profile.ts';
import { predictFit } from '../actors/domain/profile.ts';
import { fitLatency } from '../actors/policy/profiling/fit.ts';
import { labConfigSchema } from '../nodes/lab/config.ts';
import { createModelLab, type ModelLab } from '../nodes/lab/lab.ts';
import { loadManifest, zooManifests } from '../nodes/load-manifests.ts';
import { silentLogger } from '../runtime/log.ts';
import { median } from './statistics.ts';

/** Between the batches that are always measured. */
const unmeasured = [3, 6, 12, 24, 48];

export interface Prediction {
  readonly variant: string;
  readonly batch: number;
  readonly predictedMs: number;
  readonly measuredMs: number;
  /** |predicted / measured − 1|. */
  readonly error: number;
}

export interface PredictionFigures {
  readonly predictions: readonly Prediction[];
  readonly medianError: number;
  readonly worstError: number;
}

/** `budgetMs` a variant. */
export async function measurePredictions(budgetMs = 8_000): Promise<PredictionFigures> {
  const config = labConfigSchema.parse({});
  const lab = createModelLab(config, silentLogger);
  const predictions: Prediction[] = [];
  try {
    for (const path of zooManifests()) {
      const variant = loadManifest(path);
      const { signature, adapter, batchMax } = variant;
      const { profile } = await lab.profile(variant.file.path, {
        signature,
        adapter,
        batchMax,
        budgetMs,
        batches: [...config.batches, ...unmeasured],
      });
      predictions.push(...compare(variant.id, profile.latency));
    }
  } finally {
    await lab.close();
  }
  const errors = predictions.map(({ error }) => error);
  return { predictions, medianError: median(errors), worstError: Math.max(...errors) };
}

function compare(variant: string, latency: readonly LatencyPoint[]): Prediction[] {
  const measured = latency.filter(({ predicted }) => predicted !== true);
  const fit = fitLatency(measured.filter(({ batch }) => !unmeasured.includes(batch)));
  return measured
    .filter(({ batch }) => unmeasured.includes(batch))
    .map(({ batch, ms }) => {
      const predictedMs = predictFit(fit, batch);
      const error = Math.abs(predictedMs / ms - 1);
      return { variant, batch, predictedMs, measuredMs: ms, error };
    });
}

export interface AdmissionFigures {
  readonly variant: string;
  readonly checkMs: number;
  readonly quickProfileMs: number;
  /** Of a profile with the default time. */
  readonly fullProfileMs: number;
}

/** The zoo's slowest model, which takes its time, and the largest file. */
export async function measureAdmission(): Promise<readonly AdmissionFigures[]> {
  const lab = createModelLab(labConfigSchema.parse({}), silentLogger);
  const chosen = ['resnet-tta-fp32', 'silero-v6-op18-ifless'];
  const variants = zooManifests().map(loadManifest);
  const figures: AdmissionFigures[] = [];
  try {
    for (const variant of variants.filter(({ id }) => chosen.includes(id))) {
      figures.push(await admit(lab, variant));
    }
  } finally {
    await lab.close();
  }
  return figures;
}

async function admit(
  lab: ModelLab,
  { id, file, signature, adapter, batchMax }: ReturnType<typeof loadManifest>,
): Promise<AdmissionFigures> {
  const timed = async (work: () => Promise<unknown>): Promise<number> => {
    const startedMs = performance.now();
    await work();
    return performance.now() - startedMs;
  };
  const fit = { signature, adapter };
  const checkMs = await timed(() => lab.check(file.path, fit));
  const quickProfileMs = await timed(() =>
    lab.profile(file.path, { ...fit, batchMax, budgetMs: 1_500 }),
  );
  const fullProfileMs = await timed(() => lab.profile(file.path, { ...fit, batchMax }));
  return { variant: id, checkMs, quickProfileMs, fullProfileMs };
}
