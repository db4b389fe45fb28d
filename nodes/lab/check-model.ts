/**
 * The check of a model: it loads, it runs on a sample, and what its inputs and outputs really are.
 *
 * A graph's declarations are half of it: sizes may be left open, an axis called `batch` may not
 * batch, and an output's shape may be declared wrongly. So it is run: on a given sample, or on ones
 * made up until one runs, then on two at once, whose outputs must be those of two runs.
 */

import {
  batchAxisOf,
  batchDimension,
  type Signature,
  type TensorSpec,
} from '../../actors/domain/signature.ts';
import { messageOf } from '../../runtime/errors.ts';
import type { NamedTensors } from '../../runtime/wire/tensors.ts';
import type { GraphTensor } from '../engine/messages.ts';
import type { SessionOutput } from '../engine/session.ts';
import { relateOutputs } from './batching.ts';
import { ModelRefused } from './errors.ts';
import type { CheckOptions, CheckReport, LabLimits, Recipe, Report } from './messages.ts';
import {
  type FedModel,
  feedModel,
  misfit,
  type OpenModel,
  prepareBatch,
  runBatch,
} from './model-run.ts';
import { freeDimensions, makeSample, recipesFor } from './sample.ts';

/** Throws ModelRefused naming the file and why. */
export async function checkModel(
  model: OpenModel,
  options: CheckOptions,
  limits: Pick<LabLimits, 'attemptsMax'>,
  report: Report,
): Promise<CheckReport> {
  const declared = options.signature ?? declaredSignature(model);
  const fed = feedModel(model, { signature: declared, adapter: options.adapter });
  const found = await findSample(fed, options.samples, limits.attemptsMax, report);
  report('batching');
  const joined =
    options.signature === undefined
      ? await proposeSignature(fed, found)
      : await verifySignature(fed, found);
  return {
    graph: { inputs: model.inputs, outputs: model.outputs },
    signature: joined.signature,
    recipe: { ...found.recipe, dims: openDims(joined.signature, found.recipe) },
    attempts: found.attempts,
    batching: joined.batching,
    batchMax: joined.batching.works ? undefined : 1,
    loadMs: model.createMs,
    runMs: found.runMs,
  };
}

export interface FoundSample {
  readonly recipe: Recipe;
  /** As given, one or more; or empty: made up by the recipe. */
  readonly given: readonly NamedTensors[];
  readonly attempts: number;
  readonly outputs: readonly SessionOutput[];
  readonly runMs: number;
}

/** The given sample, or the first made-up one, on which the model runs. Throws ModelRefused. */
export async function findSample(
  fed: FedModel,
  samples: readonly NamedTensors[] | undefined,
  attemptsMax: number,
  report: Report,
): Promise<FoundSample> {
  const { file } = fed.model;
  const [sample] = samples ?? [];
  if (samples !== undefined && sample !== undefined) {
    try {
      const { outputs, inferMs } = await runBatch(fed, prepareBatch(fed, [sample]));
      const recipe = {
        dims: dimsOf(fed.signature, sample),
        scalars: {},
        integers: 'bits',
      } as const;
      return { recipe, given: samples, attempts: 1, outputs, runMs: inferMs };
    } catch (error) {
      const message = `${file}: it does not run on the sample given: ${messageOf(error)}`;
      throw new ModelRefused('unrunnable', message, file, error);
    }
  }
  let attempts = 0;
  let firstError: unknown;
  for (const recipe of recipesFor(fed.signature.inputs)) {
    if (attempts >= attemptsMax) break;
    attempts += 1;
    report('trying', attempts, attemptsMax);
    try {
      const made = makeSample(fed.signature.inputs, recipe, 1);
      const { outputs, inferMs } = await runBatch(fed, prepareBatch(fed, [made]));
      return { recipe, given: [], attempts, outputs, runMs: inferMs };
    } catch (error) {
      firstError ??= error;
    }
  }
  const open = freeDimensions(fed.signature.inputs).map(({ name }) => name);
  const free = open.length === 0 ? '' : ` Its free dimensions are ${open.join(', ')}.`;
  const message =
    `${file}: it runs on none of ${String(attempts)} samples made up for it; the first failed ` +
    `with: ${messageOf(firstError)}.${free} Give a sample that it takes.`;
  throw new ModelRefused('unrunnable', message, file, firstError);
}

/** The free dimensions of a signature, by a sample's shapes. */
function dimsOf({ inputs }: Signature, sample: NamedTensors): Readonly<Record<string, number>> {
  const dims: Record<string, number> = {};
  for (const [name, { shape }] of Object.entries(inputs)) {
    shape.forEach((size, axis) => {
      if (typeof size !== 'string' || size === batchDimension) return;
      dims[size] = sample[name]?.shape[axis] ?? 1;
    });
  }
  return dims;
}

/** The graph's word, with a name for every size left open; nothing is `batch` yet. */
function declaredSignature(model: OpenModel): Signature {
  return { inputs: declaredSide(model.inputs), outputs: declaredSide(model.outputs) };
}

function declaredSide(tensors: readonly GraphTensor[]): Record<string, TensorSpec> {
  return Object.fromEntries(
    tensors.map(({ name, datatype, shape }) => [
      name,
      { datatype, shape: shape.map((size, axis) => namedSize(name, size, axis)) },
    ]),
  );
}

function namedSize(tensor: string, size: number | string, axis: number): number | string {
  if (typeof size === 'number' && size >= 0) return size;
  if (size === batchDimension) return 'batch_axis';
  return typeof size === 'number' || size === '' ? `${tensor}_${String(axis)}` : size;
}

/** Of the sizes tried, those that are still open now that the batch is known. */
function openDims({ inputs }: Signature, { dims }: Recipe): Recipe['dims'] {
  const open = new Set(freeDimensions(inputs).map(({ name }) => name));
  return Object.fromEntries(Object.entries(dims).filter(([name]) => open.has(name)));
}

interface Joined {
  readonly signature: Signature;
  readonly batching: CheckReport['batching'];
}

/** Makes that set of dimensions `batch` for which a batch of two gives what two runs give. */
async function proposeSignature(fed: FedModel, found: FoundSample): Promise<Joined> {
  const { signature, model } = fed;
  let why = 'no size of its inputs is open';
  for (const names of batchCandidates(signature.inputs, found)) {
    const inputs = renameDimensions(signature.inputs, names);
    if (inputs === undefined) continue;
    const candidate = feedModel(model, { signature: { inputs, outputs: signature.outputs } });
    const joint = await joinOutputs(candidate, found);
    if (joint.ok) {
      const outputs = proposedOutputs(signature, found, joint.axes, names);
      const batching = { works: true, deviation: joint.deviation } as const;
      return { signature: { inputs: shareRest(inputs), outputs }, batching };
    }
    why = joint.why;
  }
  const outputs = proposedOutputs(signature, found, [], new Set());
  return { signature: { inputs: signature.inputs, outputs }, batching: { works: false, why } };
}

/** All dimensions that look like a batch, then each alone; those that ran as 1 only. */
function batchCandidates(
  inputs: Signature['inputs'],
  { recipe }: FoundSample,
): ReadonlySet<string>[] {
  const ones = freeDimensions(inputs).filter(({ name }) => recipe.dims[name] === 1);
  const likely = ones.filter(({ role }) => role === 'batch').map(({ name }) => name);
  const others = ones.filter(({ role }) => role !== 'batch').map(({ name }) => name);
  const singles = [...likely, ...others].map((name) => new Set([name]));
  return likely.length > 1 ? [new Set(likely), ...singles] : singles;
}

/** Undefined where a tensor would have two batch axes. */
function renameDimensions(
  specs: Signature['inputs'],
  names: ReadonlySet<string>,
): Signature['inputs'] | undefined {
  const renamed = Object.entries(specs).map(([name, spec]): readonly [string, TensorSpec] => {
    const shape = spec.shape.map((size) =>
      typeof size === 'string' && names.has(size) ? batchDimension : size,
    );
    return [name, { ...spec, shape }];
  });
  const twice = renamed.some(
    ([, { shape }]) => shape.filter((size) => size === batchDimension).length > 1,
  );
  return twice ? undefined : Object.fromEntries(renamed);
}

/** Inputs that a batch has one of must be equal for all of its queries. */
function shareRest(inputs: Signature['inputs']): Signature['inputs'] {
  return Object.fromEntries(
    Object.entries(inputs).map(([name, spec]) => [
      name,
      batchAxisOf(spec) < 0 ? { ...spec, shared: true } : spec,
    ]),
  );
}

/**
 * Outputs as they came: their rank, the axis that joins, fixed sizes where declared so and true, or
 * where nothing but the batch is open; free names elsewhere.
 */
function proposedOutputs(
  { inputs, outputs }: Signature,
  found: FoundSample,
  axes: readonly number[],
  batchNames: ReadonlySet<string>,
): Signature['outputs'] {
  const free = freeDimensions(inputs).filter(({ name }) => !batchNames.has(name));
  const known = new Set(free.map(({ name }) => name));
  return Object.fromEntries(
    Object.entries(outputs).map(([name, spec], index) => {
      const actual = found.outputs[index]?.shape ?? [];
      const shape = actual.map((size, axis) => {
        if (axes[index] === axis) return batchDimension;
        const declared = spec.shape[axis];
        if (declared === size) return size;
        if (typeof declared === 'string' && known.has(declared)) return declared;
        return free.length === 0 ? size : `${name}_${String(axis)}`;
      });
      return [name, { ...spec, shape }];
    }),
  );
}

/** What came must be what the signature says; then whether a batch of two is. */
async function verifySignature(fed: FedModel, found: FoundSample): Promise<Joined> {
  const { signature, plan, model } = fed;
  plan.outputs.forEach(({ name, spec }, index) => {
    const actual = found.outputs[index]?.shape ?? [];
    const fits =
      actual.length === spec.shape.length &&
      spec.shape.every((size, axis) => typeof size === 'string' || size === actual[axis]);
    if (fits) return;
    const what = `its output "${name}" came as [${actual.join(', ')}]`;
    throw misfit(model, `${what}; the signature says [${spec.shape.join(', ')}]`);
  });
  const inputs = Object.values(signature.inputs);
  if (!inputs.some((spec) => batchAxisOf(spec) >= 0)) {
    return { signature, batching: { works: false, why: 'the signature has no batch axis' } };
  }
  const joint = await joinOutputs(fed, found);
  if (!joint.ok) return { signature, batching: { works: false, why: joint.why } };
  const wrong = plan.outputs.find(({ axis }, index) => axis !== joint.axes[index]);
  if (wrong === undefined) {
    return { signature, batching: { works: true, deviation: joint.deviation } };
  }
  const why = `its output "${wrong.name}" does not join along axis ${String(wrong.axis)}`;
  return { signature, batching: { works: false, why } };
}

type JointOutputs =
  | { readonly ok: true; readonly axes: readonly number[]; readonly deviation: number }
  | { readonly ok: false; readonly why: string };

/** Two queries, each alone and both at once. */
async function joinOutputs(fed: FedModel, found: FoundSample): Promise<JointOutputs> {
  const [first, second] = pairOf(fed, found);
  try {
    const one = await runBatch(fed, prepareBatch(fed, [first]));
    const other = await runBatch(fed, prepareBatch(fed, [second]));
    const both = await runBatch(fed, prepareBatch(fed, [first, second]));
    const axes: number[] = [];
    let deviation = 0;
    for (const [index, { name, graph, axis }] of fed.plan.outputs.entries()) {
      const [a, b, ab] = [one.outputs[index], other.outputs[index], both.outputs[index]];
      if (a === undefined || b === undefined || ab === undefined) continue;
      const joint = relateOutputs(graph.datatype, a, b, ab, axis < 0 ? undefined : axis);
      if (!joint.ok) return { ok: false, why: `output "${name}": ${joint.why}` };
      axes.push(joint.axis);
      deviation = Math.max(deviation, joint.deviation);
    }
    const joins = axes.some((axis) => axis >= 0);
    return joins
      ? { ok: true, axes, deviation }
      : { ok: false, why: 'no output of a batch of two has a part for each' };
  } catch (error) {
    return { ok: false, why: `a batch of two fails: ${messageOf(error)}` };
  }
}

/** Two different queries; of a single given sample, the same one twice. */
function pairOf(
  fed: FedModel,
  { given, recipe }: FoundSample,
): readonly [NamedTensors, NamedTensors] {
  const [first, second] = given;
  if (first !== undefined) return [first, second ?? first];
  const { inputs } = fed.signature;
  return [makeSample(inputs, recipe, 1), makeSample(inputs, recipe, 2)];
}
