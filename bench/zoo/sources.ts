/**
 * What the zoo's report registers: one model an architecture, as its maker gave it, with the set
 * that its accuracy is measured on. What the manifests state is left out, so that it is measured.
 */

import { readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

import { openModel, answerSamples, feedModel } from '../../nodes/lab/model-run.ts';
import { parseNpy } from '../../nodes/cli/npy.ts';
import { loadManifest, readManifest, zooManifests } from '../../nodes/load-manifests.ts';
import type { ModelManifest } from '../../actors/domain/manifest.ts';
import type { Variant } from '../../actors/domain/variant.ts';
import { type NamedTensors, type Tensor, typedArrayOf } from '../../runtime/wire/tensors.ts';

export interface ZooSource {
  readonly architecture: string;
  readonly manifest: ModelManifest;
  readonly files: Readonly<Record<string, Uint8Array>>;
}

const validationFile = 'validation.jsonl';
/** Whose judgement of speech stands for the truth: there are no labels to be had. */
const speechReference = 'silero-v5-fp32';
const frame = 512;
const context = 64;
const sessions = { optimisation: 'all', cpuArena: true, memoryPattern: true } as const;

/** By architecture; an architecture with several files is registered from its fp32 one. */
export async function zooSources(): Promise<readonly ZooSource[]> {
  const paths = zooManifests();
  const sets = new Map<string, Uint8Array>();
  const sources: ZooSource[] = [];
  for (const path of paths.filter((one) => one.endsWith('-fp32.yaml'))) {
    const manifest = readManifest(path);
    const { task, dataset, architecture, file, signature, adapter, batchMax } = manifest;
    const set = sets.get(task) ?? (await validationSetOf(task, paths));
    sets.set(task, set);
    const validation =
      task === 'digit-classification'
        ? ({ file: validationFile, metric: { kind: 'top1' }, output: 'logits' } as const)
        : ({
            ...{ file: validationFile, output: 'speech', stream: true },
            metric: { kind: 'threshold', threshold: 0.5 },
          } as const);
    const asked = { task, dataset, architecture, file, signature, adapter, batchMax, validation };
    const model = readFileSync(join(dirname(path), file));
    const files = { [basename(file)]: model, [validationFile]: set };
    sources.push({ architecture, manifest: asked, files });
  }
  return sources;
}

function validationSetOf(task: string, paths: readonly string[]): Promise<Uint8Array> {
  if (task === 'digit-classification') return Promise.resolve(heldOutDigits(folderOf(task, paths)));
  const reference = paths.map(loadManifest).find(({ id }) => id === speechReference);
  if (reference === undefined) throw new Error(`the zoo has no ${speechReference} any more`);
  return speechJudgedBy(reference, folderOf(task, paths));
}

function folderOf(task: string, paths: readonly string[]): string {
  return dirname(paths.find((path) => path.includes(task)) ?? '');
}

function npyIn(folder: string, name: string): Tensor {
  return parseNpy(readFileSync(join(folder, name)), name);
}

/** Digits that no model of the zoo was trained on, with their labels. */
function heldOutDigits(folder: string): Uint8Array {
  const images = npyIn(folder, 'heldout-images.npy');
  const pixels = 28 * 28;
  return linesOf(
    Array.from(npyIn(folder, 'heldout-labels.npy').data, (label, at) => ({
      inputs: {
        image: {
          datatype: 'UINT8',
          shape: [1, 1, 28, 28],
          base64: base64Of(images.data.subarray(at * pixels, (at + 1) * pixels)),
          scale: 1 / 255,
        },
      },
      label,
    })),
  );
}

/** A stream of frames, each behind the samples before it, labelled by the reference's answers. */
async function speechJudgedBy(reference: Variant, folder: string): Promise<Uint8Array> {
  const frames = speechFrames(npyIn(folder, 'speech.npy'));
  const fed = feedModel(await openModel(reference.file.path, sessions), reference);
  const rate: Tensor = {
    datatype: 'INT64',
    shape: [],
    data: new Uint8Array(BigInt64Array.of(16_000n).buffer),
  };
  let state = zeroState(reference);
  const lines: object[] = [];
  for (const audio of frames) {
    const [answer = {}] = await answerSamples(fed, [{ audio, rate, ...state }]);
    const speech = answer['speech'];
    if (speech === undefined) throw new Error(`${reference.id} gives no output "speech"`);
    const label = (typedArrayOf(speech)[0] as number) >= 0.5 ? 1 : 0;
    const base64 = base64Of(audio.data);
    const inputs = { audio: { datatype: 'FP32', shape: audio.shape, base64 }, rate: 16_000 };
    lines.push({ inputs, label });
    state = carried(reference, answer);
  }
  await fed.model.onnx.release();
  return linesOf(lines);
}

function speechFrames(speech: Tensor): Tensor[] {
  const sound = Float32Array.from(typedArrayOf(speech) as Int16Array, (value) => value / 32_768);
  const length = context + frame;
  return Array.from({ length: Math.floor(sound.length / frame) }, (_, at) => {
    const audio = new Float32Array(length);
    const end = (at + 1) * frame;
    const heard = sound.subarray(Math.max(0, end - length), end);
    audio.set(heard, length - heard.length);
    return { datatype: 'FP32', shape: [1, length], data: new Uint8Array(audio.buffer) };
  });
}

function zeroState({ signature }: Variant): NamedTensors {
  const state: Record<string, Tensor> = {};
  for (const [name, { state: from, shape }] of Object.entries(signature.inputs)) {
    if (from === undefined) continue;
    const sizes = shape.map((size) => (typeof size === 'number' ? size : 1));
    const elements = sizes.reduce((product, size) => product * size, 1);
    state[name] = { datatype: 'FP32', shape: sizes, data: new Uint8Array(4 * elements) };
  }
  return state;
}

function carried({ signature }: Variant, answer: NamedTensors): NamedTensors {
  const state: Record<string, Tensor> = {};
  for (const [name, { state: from }] of Object.entries(signature.inputs)) {
    const tensor = from === undefined ? undefined : answer[from];
    if (tensor !== undefined) state[name] = tensor;
  }
  return state;
}

function base64Of({ buffer, byteOffset, byteLength }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString('base64');
}

function linesOf(examples: readonly object[]): Uint8Array {
  return Buffer.from(examples.map((example) => `${JSON.stringify(example)}\n`).join(''));
}
