/**
 * The accuracy of a model: the percentage of examples that it gets right, by the labels of a
 * validation set, or, without labels, by the answers of a reference variant (agreement, which says
 * how much a rewrite changed and nothing of how right either is).
 */

import { batchDimension, type Signature } from '../../actors/domain/signature.ts';
import { messageOf } from '../../runtime/errors.ts';
import type { NamedTensors, Tensor } from '../../runtime/wire/tensors.ts';
import type { SessionSettings } from '../engine/messages.ts';
import { numbersOf } from './batching.ts';
import { findSample } from './check-model.ts';
import { LabFailed, ValidationInvalid } from './errors.ts';
import type { EvaluateOptions, EvaluationReport, LabLimits, Report } from './messages.ts';
import { judge, labelFrom } from './metrics.ts';
import { answerSamples, type FedModel, feedModel, misfit, openModel } from './model-run.ts';
import { makeSample } from './sample.ts';
import { type Example, readExamples } from './validation.ts';

/**
 * Throws ValidationInvalid (a missing file, a line that does not parse, a label that does not fit),
 * ModelRefused, and LabFailed where there is nothing to evaluate on.
 */
export async function evaluateModel(
  file: string,
  options: EvaluateOptions,
  settings: SessionSettings,
  limits: LabLimits,
  report: Report,
): Promise<EvaluationReport> {
  report('loading');
  const fed = feedModel(await openModel(file, settings), options);
  const { reference } = options;
  let compared: FedModel | undefined;
  try {
    if (!Object.hasOwn(options.signature.outputs, options.output)) {
      const known = Object.keys(options.signature.outputs).join(', ');
      throw misfit(fed.model, `it has no output "${options.output}" to judge; it has ${known}`);
    }
    if (reference !== undefined) {
      compared = feedModel(await openModel(reference.file, settings), reference);
    }
    const examples = examplesFor(fed, options, limits, report);
    return await judgeExamples(fed, compared, examples, { options, limits, report });
  } finally {
    await fed.model.onnx.release();
    await compared?.model.onnx.release();
  }
}

async function* examplesFor(
  fed: FedModel,
  { validation, samples, recipe, reference }: EvaluateOptions,
  limits: LabLimits,
  report: Report,
): AsyncGenerator<Example> {
  if (validation !== undefined) {
    yield* readExamples(validation, fed.signature, limits);
    return;
  }
  if (reference === undefined) {
    const message = 'there is no validation set to evaluate it on, and no reference';
    throw new LabFailed('threw', 'evaluating', message, fed.model.file);
  }
  if (samples !== undefined && samples.length > 0) {
    for (const [at, inputs] of samples.entries()) yield { line: at + 1, inputs, label: undefined };
    return;
  }
  const by = recipe ?? (await findSample(fed, undefined, limits.attemptsMax, report)).recipe;
  for (let seed = 1; seed <= limits.madeUpSamples; seed += 1) {
    yield { line: seed, inputs: makeSample(fed.signature.inputs, by, seed), label: undefined };
  }
}

interface Context {
  readonly options: EvaluateOptions;
  readonly limits: LabLimits;
  readonly report: Report;
}

async function judgeExamples(
  fed: FedModel,
  reference: FedModel | undefined,
  examples: AsyncGenerator<Example>,
  { options, limits, report }: Context,
): Promise<EvaluationReport> {
  const tally = createTally(fed, reference !== undefined, options);
  const ours = createAnswerer(fed, options.stream === true);
  const theirs =
    reference === undefined ? undefined : createAnswerer(reference, options.stream === true);
  const most = Math.min(limits.evaluationBatchMax, options.batchMax ?? 1);
  const size = options.stream === true ? 1 : most;
  for await (const batch of batchesOf(examples, size, fed.signature)) {
    const inputs = batch.map((example) => example.inputs);
    const answers = await ours(inputs);
    const expected = await theirs?.(inputs);
    batch.forEach((example, at) => {
      tally.count(example, answers[at], expected?.[at]);
    });
    report('evaluating', tally.examples());
  }
  return tally.result();
}

/** Consecutive examples that may share a batch: their free dimensions and shared inputs agree. */
async function* batchesOf(
  examples: AsyncIterable<Example> | Iterable<Example>,
  size: number,
  signature: Signature,
): AsyncGenerator<readonly Example[]> {
  let batch: Example[] = [];
  for await (const example of examples) {
    const [first] = batch;
    if (first !== undefined && !mayJoin(signature, first.inputs, example.inputs)) {
      yield batch;
      batch = [];
    }
    batch.push(example);
    if (batch.length >= size) {
      yield batch;
      batch = [];
    }
  }
  if (batch.length > 0) yield batch;
}

function mayJoin({ inputs }: Signature, a: NamedTensors, b: NamedTensors): boolean {
  return Object.entries(inputs).every(([name, { shape, shared }]) => {
    const [one, other] = [a[name], b[name]];
    if (one === undefined || other === undefined) return one === other;
    if (one.shape.some((length, axis) => length !== other.shape[axis])) return false;
    const joined = shared !== true && shape.includes(batchDimension);
    return joined || Buffer.compare(one.data, other.data) === 0;
  });
}

type Answerer = (samples: readonly NamedTensors[]) => Promise<readonly NamedTensors[]>;

/** In a stream, what an answer carries is an input of the next example. */
function createAnswerer(fed: FedModel, stream: boolean): Answerer {
  if (!stream) return (samples) => answerSamples(fed, samples);
  const states = Object.entries(fed.signature.inputs).flatMap(([name, { state }]) =>
    state === undefined ? [] : [[name, state] as const],
  );
  let carried: NamedTensors = {};
  return async (samples) => {
    const answers = await answerSamples(
      fed,
      samples.map((inputs) => ({ ...inputs, ...carried })),
    );
    const answer = answers.at(-1) ?? {};
    carried = Object.fromEntries(
      states.flatMap(([input, output]) => {
        const tensor = answer[output];
        return tensor === undefined ? [] : [[input, tensor] as const];
      }),
    );
    return answers;
  };
}

interface Tally {
  count(
    example: Example,
    answer: NamedTensors | undefined,
    expected: NamedTensors | undefined,
  ): void;
  examples(): number;
  result(): EvaluationReport;
}

function createTally(fed: FedModel, byReference: boolean, options: EvaluateOptions): Tally {
  const { metric, output, validation, samples } = options;
  let [examples, right, differences, largest, elements] = [0, 0, 0, 0, 0];
  const fail = (line: number, problem: string): never => {
    if (validation !== undefined) throw new ValidationInvalid(problem, validation, line);
    const message = `sample ${String(line)}: ${problem}`;
    throw new LabFailed('threw', 'evaluating', message, fed.model.file);
  };
  const compare = (mine: Tensor, other: Tensor): void => {
    const [a, b] = [numbersOf(mine.datatype, mine.data), numbersOf(other.datatype, other.data)];
    a.forEach((value, at) => {
      const difference = Math.abs(value - (b[at] ?? NaN));
      differences += difference;
      largest = Math.max(largest, difference);
    });
    elements += a.length;
  };
  return {
    count: ({ line, label }, answer, expected) => {
      const mine = answer?.[output];
      if (mine === undefined) return fail(line, `there is no output "${output}"`);
      const other = expected?.[output];
      if (!byReference && label === undefined) fail(line, 'it has no label');
      if (byReference && other === undefined) fail(line, `the reference has no "${output}"`);
      const judged = judge(metric, mine, other === undefined ? label : labelFrom(metric, other));
      if (!judged.ok) return fail(line, judged.problem);
      if (other !== undefined) compare(mine, other);
      examples += 1;
      if (judged.right) right += 1;
    },
    examples: () => examples,
    result: () => {
      if (examples === 0) throw new ValidationInvalid('it has no examples', validation ?? '');
      const difference = { mean: elements === 0 ? 0 : differences / elements, max: largest };
      return {
        accuracy: (100 * right) / examples,
        against: byReference ? 'reference' : 'labels',
        metric: metric.kind,
        examples,
        madeUp: validation === undefined && (samples === undefined || samples.length === 0),
        ...(byReference ? { difference } : {}),
      };
    },
  };
}

/** Every sample's answers, in batches of at most `batchMax`. Throws LabFailed naming the sample. */
export async function answerAll(
  fed: FedModel,
  samples: readonly NamedTensors[],
  batchMax: number,
  report: Report,
): Promise<readonly NamedTensors[]> {
  const examples = samples.map((inputs, at) => ({ line: at + 1, inputs, label: undefined }));
  const outputs: NamedTensors[] = [];
  for await (const batch of batchesOf(examples, batchMax, fed.signature)) {
    try {
      outputs.push(
        ...(await answerSamples(
          fed,
          batch.map(({ inputs }) => inputs),
        )),
      );
    } catch (error) {
      const message = `sample ${String(batch[0]?.line)}: ${messageOf(error)}`;
      throw new LabFailed('threw', 'running', message, fed.model.file, error);
    }
    report('running', outputs.length, samples.length);
  }
  return outputs;
}
