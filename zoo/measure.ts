// Measures what the manifests of the zoo claim: accuracy, by running each ONNX file on data it was
// never trained on, and the profile that selection and placement reason with. Figures are written
// into the manifests, so that no number there is typed by hand.
//
//   npx tsx zoo/measure.ts [--check] [WORD ...]     only variants whose name contains a WORD
//
// --check measures accuracy alone, writes nothing, and exits 1 where a manifest is off.

import { fork } from 'node:child_process';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as ort from 'onnxruntime-node';
import { parse, parseDocument } from 'yaml';

interface InputSignature {
  readonly datatype: 'FP32' | 'INT64';
  readonly shape: readonly (number | 'batch')[];
  readonly shared?: boolean;
  /** The output whose value is this input's at the next query of the stream. */
  readonly state?: string;
}

interface Manifest {
  readonly task: string;
  readonly variant: string;
  readonly file: string;
  readonly accuracy: number;
  readonly accuracyKind: 'top1' | 'agreement';
  readonly accuracyReference?: string;
  readonly signature: {
    readonly inputs: Readonly<Record<string, InputSignature>>;
    readonly outputs: Readonly<Record<string, unknown>>;
  };
  readonly adapter?: {
    readonly inputs?: Readonly<Record<string, string>>;
    readonly outputs?: Readonly<Record<string, string>>;
    readonly tail?: Readonly<Record<string, number>>;
    readonly drop?: readonly string[];
  };
  readonly batchMax: number;
}

interface Variant {
  readonly path: string;
  readonly manifest: Manifest;
}

interface Profile {
  readonly loadMs: number;
  readonly memoryBytes: number;
  readonly latencyMs: ReadonlyMap<number, number>;
}

type Tensors = Readonly<Record<string, ort.Tensor>>;

/** What a task is measured on: `count` examples, of which `take` makes a batch of input tensors. */
interface Samples {
  readonly count: number;
  take(from: number, count: number): Tensors;
}

const ZOO = dirname(fileURLToPath(import.meta.url));
const TOLERANCE_POINTS = 0.05;
const BATCH_SIZES = [1, 4, 8, 16, 32, 64];
const ROUNDS = 5;
const RUNS_MIN = 3;
const RUNS_MAX = 100;
/** Longest that one thing is measured in a round, once RUNS_MIN is reached. */
const ROUND_MS_MAX = 100;
const SPEECH_THRESHOLD = 0.5;
const FRAME = 512;
const CONTEXT = 64;

// One thread that sleeps while idle is how a worker runs an instance: cores are shared out by
// placement, and a spinning thread would take a core from the neighbours.
const SESSION_OPTIONS: ort.InferenceSession.SessionOptions = {
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  logSeverityLevel: 3,
  extra: { session: { intra_op: { allow_spinning: '0' } } },
};

/** The bytes of a version 1 .npy file, after a header that we trust: the zoo wrote it. */
function readNpy(path: string): Buffer {
  const content = readFileSync(path);
  return Buffer.from(content.subarray(10 + content.readUInt16LE(8)));
}

function digitSamples(folder: string): Samples & { readonly labels: Uint8Array } {
  const pixels = readNpy(join(folder, 'heldout-images.npy'));
  const labels = readNpy(join(folder, 'heldout-labels.npy'));
  const take = (from: number, count: number): Tensors => {
    const digits = pixels.subarray(from * 784, (from + count) * 784);
    const image = Float32Array.from(digits, (pixel) => pixel / 255);
    return { image: new ort.Tensor('float32', image, [count, 1, 28, 28]) };
  };
  return { count: labels.length, labels, take };
}

/** Frames of 512 new samples, each behind the 64 before it: what a stream's client would send. */
function speechSamples(folder: string): Samples {
  const content = readNpy(join(folder, 'speech.npy'));
  const sound = Float32Array.from(
    { length: content.length / 2 },
    (_, index) => content.readInt16LE(index * 2) / 32768,
  );
  const take = (from: number, count: number): Tensors => {
    const length = CONTEXT + FRAME;
    const audio = new Float32Array(count * length);
    for (let row = 0; row < count; row++) {
      const end = (from + row + 1) * FRAME;
      const heard = sound.subarray(Math.max(0, end - length), end);
      audio.set(heard, (row + 1) * length - heard.length);
    }
    return {
      audio: new ort.Tensor('float32', audio, [count, length]),
      rate: new ort.Tensor('int64', BigInt64Array.of(16000n), []),
    };
  };
  return { count: sound.length / FRAME, take };
}

function samplesOf(variant: Variant): Samples {
  const folder = dirname(variant.path);
  return variant.manifest.accuracyKind === 'top1' ? digitSamples(folder) : speechSamples(folder);
}

function filePath(variant: Variant): string {
  return join(dirname(variant.path), variant.manifest.file);
}

function fileBytes(variant: Variant): number {
  return statSync(filePath(variant)).size;
}

function load(variant: Variant): Promise<ort.InferenceSession> {
  return ort.InferenceSession.create(filePath(variant), SESSION_OPTIONS);
}

function zeros(shape: InputSignature['shape'], batch: number): ort.Tensor {
  const dims = shape.map((size) => (size === 'batch' ? batch : size));
  const length = dims.reduce((product, size) => product * size, 1);
  return new ort.Tensor('float32', new Float32Array(length), dims);
}

/** The last `length` elements along the last axis. */
function tailOf(tensor: ort.Tensor, length: number): ort.Tensor {
  const width = tensor.dims.at(-1) ?? 1;
  const kept = (tensor.data as Float32Array).filter((_, index) => index % width >= width - length);
  return new ort.Tensor('float32', kept, [...tensor.dims.slice(0, -1), length]);
}

/** From the task's names to the graph's. State that no query carried yet starts from zeros. */
function feedsOf(manifest: Manifest, batch: number, inputs: Tensors): Tensors {
  const feeds: Record<string, ort.Tensor> = {};
  for (const [name, signature] of Object.entries(manifest.signature.inputs)) {
    if (manifest.adapter?.drop?.includes(name)) continue;
    const given = inputs[name] ?? zeros(signature.shape, batch);
    const tail = manifest.adapter?.tail?.[name];
    feeds[manifest.adapter?.inputs?.[name] ?? name] =
      tail === undefined ? given : tailOf(given, tail);
  }
  return feeds;
}

function named(tensors: Tensors, name: string): ort.Tensor {
  const tensor = tensors[name];
  if (tensor === undefined) throw new Error(`no tensor named ${name}`);
  return tensor;
}

async function run(
  session: ort.InferenceSession,
  manifest: Manifest,
  batch: number,
  inputs: Tensors,
): Promise<Tensors> {
  const results = await session.run(feedsOf(manifest, batch, inputs));
  const names = Object.keys(manifest.signature.outputs);
  return Object.fromEntries(
    names.map((name) => [name, named(results, manifest.adapter?.outputs?.[name] ?? name)]),
  );
}

/** Percent of held-out digits whose largest logit is at their label. */
async function top1(variant: Variant): Promise<number> {
  const { manifest } = variant;
  const samples = digitSamples(dirname(variant.path));
  const session = await load(variant);
  let right = 0;
  for (let from = 0; from < samples.count; from += manifest.batchMax) {
    const batch = Math.min(manifest.batchMax, samples.count - from);
    const outputs = await run(session, manifest, batch, samples.take(from, batch));
    const scores = named(outputs, 'logits').data as Float32Array;
    for (let row = 0; row < batch; row++) {
      const digit = scores.subarray(row * 10, row * 10 + 10);
      if (digit.indexOf(Math.max(...digit)) === samples.labels[from + row]) right++;
    }
  }
  await session.release();
  return (100 * right) / samples.count;
}

/** Whether each frame holds speech: one stream, so the state of a frame goes into the next. */
async function speechFrames(variant: Variant): Promise<boolean[]> {
  const { manifest } = variant;
  const samples = speechSamples(dirname(variant.path));
  const session = await load(variant);
  const frames: boolean[] = [];
  let state: Record<string, ort.Tensor> = {};
  for (let frame = 0; frame < samples.count; frame++) {
    const inputs = { ...samples.take(frame, 1), ...state };
    const outputs = await run(session, manifest, 1, inputs);
    frames.push(Number(named(outputs, 'speech').data[0]) >= SPEECH_THRESHOLD);
    state = {};
    for (const [name, signature] of Object.entries(manifest.signature.inputs)) {
      if (signature.state !== undefined) state[name] = named(outputs, signature.state);
    }
  }
  await session.release();
  return frames;
}

/** Percent of frames judged as the reference judges them: there is no ground truth to be had. */
async function agreement(variant: Variant, zoo: readonly Variant[]): Promise<number> {
  const name = variant.manifest.accuracyReference;
  const reference = zoo.find((other) => other.manifest.variant === name);
  if (reference === undefined) throw new Error(`${variant.path}: no reference variant ${name}`);
  const [ours, theirs] = [await speechFrames(variant), await speechFrames(reference)];
  const same = ours.filter((speech, frame) => speech === theirs[frame]).length;
  return (100 * same) / ours.length;
}

async function measureAccuracy(variant: Variant, zoo: readonly Variant[]): Promise<number> {
  const top = variant.manifest.accuracyKind === 'top1';
  return round(top ? await top1(variant) : await agreement(variant, zoo), 2);
}

/**
 * Median milliseconds of `work`, over as many times as a round allows. The lesser of wall and
 * processor time is counted: the first holds what the neighbours did with our core, the second what
 * the rest of this process did beside us. One thread that does not spin accounts for neither.
 */
async function medianMs(work: () => Promise<unknown>): Promise<number> {
  const taken: number[] = [];
  const begun = performance.now();
  while (
    taken.length < RUNS_MIN ||
    (taken.length < RUNS_MAX && performance.now() - begun < ROUND_MS_MAX)
  ) {
    const [usedBefore, started] = [process.cpuUsage(), performance.now()];
    await work();
    const [wallMs, used] = [performance.now() - started, process.cpuUsage(usedBefore)];
    taken.push(Math.min(wallMs, (used.user + used.system) / 1000));
  }
  return taken.sort((a, b) => a - b)[Math.floor(taken.length / 2)] ?? Number.NaN;
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}

/**
 * Runs in a process of its own, lest the growth in memory be that of the variant before. Rounds
 * over all that is timed, and the least of their medians: whoever else used the core meanwhile
 * spoilt some rounds, and hardly all rounds of one batch size.
 */
async function measureProfile(variant: Variant): Promise<Profile> {
  const { manifest } = variant;
  const samples = samplesOf(variant);
  // The first session of a process also pays for the runtime, which no variant should. The smallest
  // file pays, since memory freed by a large one would be taken again unseen.
  const [smallest = variant] = readZoo().sort((a, b) => fileBytes(a) - fileBytes(b));
  await (await load(smallest)).release();
  const residentBefore = process.memoryUsage.rss();
  const session = await load(variant);
  await run(session, manifest, 1, samples.take(0, 1));
  const memoryBytes = Math.max(process.memoryUsage.rss() - residentBefore, fileBytes(variant));

  let loadMs = Infinity;
  const latencyMs = new Map<number, number>();
  for (let times = 0; times < ROUNDS; times++) {
    const loadedMs = await medianMs(async () => (await load(variant)).release());
    loadMs = Math.min(loadMs, round(loadedMs, 2));
    for (const batch of BATCH_SIZES.filter((size) => size <= manifest.batchMax)) {
      const feeds = feedsOf(manifest, batch, samples.take(0, batch));
      const ranMs = await medianMs(() => session.run(feeds));
      latencyMs.set(batch, Math.min(latencyMs.get(batch) ?? Infinity, round(ranMs, 3)));
    }
  }
  return { loadMs, memoryBytes, latencyMs };
}

function profileInChild(variant: Variant): Promise<Profile> {
  return new Promise((resolve, reject) => {
    const child = fork(fileURLToPath(import.meta.url), ['--profile-of', variant.path], {
      serialization: 'advanced',
    });
    child.once('message', (profile) => resolve(profile as Profile));
    child.once('exit', (code) => reject(new Error(`${variant.path}: profiling exited ${code}`)));
  });
}

function readVariant(path: string): Variant {
  return { path, manifest: parse(readFileSync(path, 'utf8')) as Manifest };
}

function readZoo(): Variant[] {
  const files = readdirSync(ZOO, { recursive: true, encoding: 'utf8' });
  const manifests = files.filter((file) => file.endsWith('.yaml')).sort();
  return manifests.map((file) => readVariant(join(ZOO, file)));
}

/** Only the figures change: order, comments and the rest of a manifest are its author's. */
function writeFigures(path: string, accuracy: number, profile: Profile): void {
  const document = parseDocument(readFileSync(path, 'utf8'));
  const day = new Date().toISOString().slice(0, 10);
  const cpu = cpus()[0]?.model.trim() ?? 'unknown CPU';
  const measuredOn = `${cpu}, onnxruntime-node ${ort.env.versions.node}, ${day}`;
  document.setIn(['accuracy'], accuracy);
  document.setIn(['profile', 'loadMs'], profile.loadMs);
  document.setIn(['profile', 'memoryBytes'], profile.memoryBytes);
  const latency = document.createNode(profile.latencyMs, { flow: true });
  document.setIn(['profile', 'latencyMs'], latency);
  document.setIn(['profile', 'measuredOn'], measuredOn);
  // The library pads brackets as it pads braces; the formatter of the project does not.
  const text = document.toString({ lineWidth: 100 }).replace(/\[ ([^\]]*) \]/g, '[$1]');
  writeFileSync(path, text);
}

async function main(words: readonly string[]): Promise<void> {
  const check = words.includes('--check');
  const wanted = words.filter((word) => !word.startsWith('--'));
  const zoo = readZoo();
  for (const variant of zoo) {
    const { variant: name, accuracy: stated } = variant.manifest;
    if (wanted.length > 0 && !wanted.some((word) => name.includes(word))) continue;
    const accuracy = await measureAccuracy(variant, zoo);
    if (check) {
      const right = Math.abs(accuracy - stated) <= TOLERANCE_POINTS + 1e-9;
      console.log(`${right ? 'ok ' : 'OFF'} ${name}: measured ${accuracy}, stated ${stated}`);
      if (!right) process.exitCode = 1;
      continue;
    }
    const profile = await profileInChild(variant);
    writeFigures(variant.path, accuracy, profile);
    const latency = [...profile.latencyMs].map(([batch, ms]) => `${batch}: ${ms}`).join(', ');
    console.log(`${name}: ${accuracy} %, load ${profile.loadMs} ms, latency ms ${latency}`);
  }
}

const [first, path] = process.argv.slice(2);
if (first === '--profile-of' && path !== undefined) {
  process.send?.(await measureProfile(readVariant(path)));
  process.disconnect();
} else {
  await main(process.argv.slice(2));
}
