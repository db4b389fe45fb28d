/**
 * A generated variant against the file it was made of, as ONNX Runtime runs that by default: all
 * optimisations, a thread a core that spins. Both are timed turn by turn in one process, so that
 * whatever else the machine does slows both; what counts is the ratio of a turn.
 *
 * Two comparisons: each under the defaults, and each as a worker runs it, on one thread that does
 * not spin.
 */

import { InferenceSession } from 'onnxruntime-node';

import type { Variant } from '../../actors/domain/variant.ts';
import {
  feedModel,
  type FedModel,
  openModel,
  type PreparedBatch,
  prepareBatch,
  runBatch,
} from '../../nodes/lab/model-run.ts';
import { makeSample } from '../../nodes/lab/sample.ts';
import { median } from '../statistics.ts';

export interface Speedup {
  readonly batch: number;
  /** Time of the source over the variant's: medians over turns. */
  readonly underDefaults: number;
  readonly onOneThread: number;
}

const turns = 9;
const turnMs = 40;
/** The one scalar that the zoo's models take is a sampling rate. */
const recipe = { dims: {}, scalars: { rate: 16_000 }, integers: 'bits' } as const;
const sessions = { optimisation: 'all', cpuArena: true, memoryPattern: true } as const;

export async function compareWithDefaults(
  source: Variant,
  variant: Variant,
  batches: readonly number[],
): Promise<readonly Speedup[]> {
  const speedups: Speedup[] = [];
  for (const batch of batches) {
    const under = async (defaults: boolean): Promise<number> => {
      const ours = await open(variant, defaults);
      const theirs = await open(source, defaults);
      const ratio = await compare(theirs, ours, batch);
      await ours.model.onnx.release();
      await theirs.model.onnx.release();
      return ratio;
    };
    speedups.push({ batch, underDefaults: await under(true), onOneThread: await under(false) });
  }
  return speedups;
}

async function open(variant: Variant, defaults: boolean): Promise<FedModel> {
  const model = await openModel(variant.file.path, sessions);
  if (!defaults) return feedModel(model, variant);
  await model.onnx.release();
  const onnx = await InferenceSession.create(variant.file.path, { logSeverityLevel: 4 });
  return feedModel({ ...model, onnx }, variant);
}

async function compare(source: FedModel, variant: FedModel, batch: number): Promise<number> {
  const samples = Array.from({ length: batch }, (_, at) =>
    makeSample(source.signature.inputs, recipe, at),
  );
  const sourceBatch = prepareBatch(source, samples);
  const variantBatch = prepareBatch(variant, samples);
  await runBatch(source, sourceBatch);
  await runBatch(variant, variantBatch);
  const ratios: number[] = [];
  for (let turn = 0; turn < turns; turn += 1) {
    const theirs = await medianMs(source, sourceBatch);
    const ours = await medianMs(variant, variantBatch);
    ratios.push(theirs / ours);
  }
  return median(ratios);
}

async function medianMs(fed: FedModel, batch: PreparedBatch): Promise<number> {
  const taken: number[] = [];
  const endMs = performance.now() + turnMs;
  while (taken.length < 3 || performance.now() < endMs) {
    const startedMs = performance.now();
    await runBatch(fed, batch);
    taken.push(performance.now() - startedMs);
  }
  return median(taken);
}
