/**
 * Makes one candidate of a model and compares it with its source, on samples of the validation set
 * where there is one, else on made-up ones. One candidate a process: one that takes its process
 * down takes nobody else with it.
 */

import { alignedBytes } from '../engine/frames.ts';
import { feedBatch, type FeedPlan, planFeeds } from '../engine/feeds.ts';
import { candidateNamed } from '../generator/candidate.ts';
import { type CandidateOutcome, createCandidateMaker } from '../generator/make-candidates.ts';
import type { NamedTensors, Tensor } from '../../runtime/wire/tensors.ts';
import type { GenerateOptions, LabLimits, Report } from './messages.ts';
import { makeSample } from './sample.ts';
import { readExamples } from './validation.ts';

/** Throws ModelInvalid and ValidationInvalid; what is wrong with the candidate is its outcome. */
export async function generateModel(
  file: string,
  options: GenerateOptions,
  limits: LabLimits,
  report: Report,
): Promise<CandidateOutcome> {
  const { folder, generator, onnx, signature, adapter = {} } = options;
  const plan = planFeeds({ id: file, signature, adapter });
  report('sampling');
  const samples: NamedTensors[] = [];
  for await (const sample of samplesOf(options, limits)) samples.push(graphSample(plan, sample));
  const seen = new Map(options.seen);
  report('generating');
  const maker = createCandidateMaker({ file, folder, samples, generator, onnx, seen });
  try {
    return await maker.make(candidateNamed(options.candidate));
  } finally {
    maker.close();
  }
}

async function* samplesOf(
  { validation, signature, recipe, generator }: GenerateOptions,
  limits: LabLimits,
): AsyncGenerator<NamedTensors> {
  const most = Math.max(generator.calibration.samplesMax, generator.compareSamplesMax);
  let count = 0;
  if (validation === undefined) {
    for (; count < most; count += 1) yield makeSample(signature.inputs, recipe, count + 1);
    return;
  }
  for await (const { inputs } of readExamples(validation, signature, limits)) {
    yield inputs;
    count += 1;
    if (count >= most) return;
  }
}

/** One query as the graph is fed it, by the graph's names; carried state is zeros. */
function graphSample(plan: FeedPlan, sample: NamedTensors): NamedTensors {
  const feed = feedBatch(plan, [{ inputs: sample, batch: 1, outputs: undefined }]);
  const body = new Uint8Array(feed.body.bytes);
  let end = 0;
  for (const piece of feed.body.pieces) {
    body.set(piece, end);
    end += piece.byteLength;
  }
  const tensors: Record<string, Tensor> = {};
  let at = 0;
  plan.inputs.forEach(({ graph }, index) => {
    const bytes = feed.byteLengths[index] ?? 0;
    const data = body.slice(at, at + bytes);
    tensors[graph.name] = { datatype: graph.datatype, shape: feed.shapes[index] ?? [], data };
    at += alignedBytes(bytes);
  });
  return tensors;
}
