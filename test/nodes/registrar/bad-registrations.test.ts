/**
 * Bad models and manifests through the whole way of a registration: each is refused with an error
 * that names its fault, nothing of it is recorded, and the system serves on.
 */

import { readdirSync } from 'node:fs';
import { join } from 'node:path';

import { expect } from 'chai';

import { ClientError, type FileContent, type ManifestInput } from '../../../client/index.ts';
import { encodeModel } from '../../fixtures/onnx-graph.ts';
import { bombGraph, endlessGraph, linearGraph, unrunnableGraph } from '../lab/graphs.ts';
import { badModels } from '../onnx/bad-model-cases.ts';
import { type RegisteringSystem, startRegisteringSystem } from './registering-system.ts';

type Files = Readonly<Record<string, FileContent>>;

const good = encodeModel(linearGraph('batch'));
const base = { task: 'sums', dataset: 'made-up', file: 'model.onnx' } as const;
const column = { datatype: 'FP32', shape: ['batch', 4] };
const right = {
  inputs: { x: column },
  outputs: { y: { datatype: 'FP32', shape: ['batch', 3] } },
};
const jsonl = (...lines: readonly object[]): Uint8Array =>
  Buffer.from(lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
const validated = { validation: { file: 'held-out.jsonl', metric: 'top1' } };
const example = { inputs: { x: [[1, 2, 3, 4]] }, label: 1 };

/** What is wrong, the manifest beyond `base`, the files, and what the error says. */
type Case = readonly [string, ManifestInput, Files, RegExp];

const model: Files = { 'model.onnx': good };

const manifests: readonly Case[] = [
  ['no task', { task: null }, model, /task/],
  ['a task that is no name', { task: '../x' }, model, /task: "..\/x" is no name/],
  ['an architecture with a slash', { architecture: 'a/b' }, model, /architecture: .* no name/],
  ['a variant that is no name', { variant: 'ä' }, model, /variant: .* no name/],
  ['an unknown field', { datset: 'x' }, model, /unknown field "datset".*did you mean "dataset"/],
  [
    'an unknown field within',
    { validation: { fil: 'x' } },
    model,
    /unknown field "fil" in validation; did you mean "validation.file"|validation.file/,
  ],
  ['an accuracy over 100', { accuracy: 101 }, model, /accuracy/],
  ['an accuracy in words', { accuracy: 'good' }, model, /accuracy/],
  ['a metric that there is not', { validation: { file: 'v', metric: 'f1' } }, model, /metric/],
  ['a precision that there is not', { generate: { precisions: ['int3'] } }, model, /precisions/],
  ['a batch of 0', { batchMax: 0 }, model, /batchMax/],
  ['a file that did not come', { file: 'other.onnx' }, model, /"other.onnx" is not among/],
  ['a file above the folder', { file: '../model.onnx' }, model, /leads out of the folder/],
  ['an absolute file', { file: '/etc/passwd' }, model, /leads out of the folder/],
  ['no files at all', {}, {}, /nothing was uploaded/],
  ['a validation set that did not come', validated, model, /"held-out.jsonl" is not among/],
  [
    'a signature with another name',
    { signature: { ...right, inputs: { z: column } } },
    model,
    /the graph has no input "z"; it has x/,
  ],
  [
    'a signature of another datatype',
    { signature: { ...right, inputs: { x: { ...column, datatype: 'INT64' } } } },
    model,
    /input "x" is FP32, the signature says INT64/,
  ],
  [
    'a signature of another size',
    { signature: { ...right, inputs: { x: { ...column, shape: ['batch', 5] } } } },
    model,
    /\[.*4\], the signature says \[batch, 5\]/,
  ],
  [
    'a task that takes something else',
    { task: 'digit-classification', dataset: 'mnist' },
    model,
    /the graph has no input "image"/,
  ],
  [
    'a variant of another architecture',
    { variant: 'mlp-fp32' },
    model,
    /"mlp-fp32" is a variant of architecture "mlp"/,
  ],
  [
    'an architecture of another task',
    { architecture: 'mlp' },
    model,
    /architecture "mlp" is registered for task "digit-classification"/,
  ],
];

const validations: readonly (readonly [string, Uint8Array, RegExp])[] = [
  ['an empty validation set', new Uint8Array(0), /no examples/],
  ['a validation set that is no JSON', Buffer.from('x,y\n1,2\n'), /:1: it is no JSON/],
  ['labels that are no class', jsonl({ ...example, label: 9 }), /label 9 is no class/],
  ['labels in words', jsonl({ ...example, label: 'cat' }), /label is not a number/],
  ['examples without labels', jsonl({ inputs: example.inputs }), /no label/],
  ['an input that there is not', jsonl({ ...example, inputs: { q: [[1]] } }), /no input "q"/],
  ['an input of another shape', jsonl({ ...example, inputs: { x: [[1, 2]] } }), /:1: .*input "x"/],
];

const running: readonly (readonly [string, Uint8Array, RegExp])[] = [
  ['a model that hangs when it runs', encodeModel(endlessGraph), /did nothing for|took over/],
  ['a model that takes all memory', encodeModel(bombGraph(4_000)), /MiB, the limit/],
  ['a model that runs on nothing', encodeModel(unrunnableGraph), /runs on none of/],
];

/** One of each reason: `onnx/bad-models.test.ts` has them all, without a process each. */
const oneOfEach = badModels.filter(
  ([, reason], at) => badModels.findIndex(([, other]) => other === reason) === at,
);

describe('bad models and manifests', function () {
  this.timeout(300_000);
  let system: RegisteringSystem;
  const outcomes = new Map<string, ClientError | undefined>();
  let architectures = 0;

  const cases: readonly Case[] = [
    ...manifests,
    ...validations.map(([what, bytes, error]): Case => {
      return [
        what,
        { signature: right, ...validated },
        { ...model, 'held-out.jsonl': bytes },
        error,
      ];
    }),
    ...running.map(([what, bytes, error]): Case => [what, {}, { 'model.onnx': bytes }, error]),
    ...oneOfEach.map(([what, , make]): Case => {
      return [what, {}, { 'model.onnx': make() }, /model\.onnx/];
    }),
  ];

  before(async () => {
    system = await startRegisteringSystem({
      lab: { jobsMax: 2, hangMs: 4_000, memoryBytesMax: 700 * 1024 * 1024 },
      registrar: { registrationsMax: 200, uploadsMax: 200 },
    });
    const attempts = cases.map(async ([what, manifest, files]) => {
      architectures += 1;
      const whole = { ...base, architecture: `bad-${architectures}`, ...manifest };
      try {
        await system.client.register(whole, files);
        outcomes.set(what, undefined);
      } catch (error) {
        if (!(error instanceof ClientError)) throw error;
        outcomes.set(what, error);
      }
    });
    await Promise.all(attempts);
  });
  after(() => system.close());

  it('are at least forty', () => {
    expect(cases.length).to.be.at.least(40);
  });

  for (const [what, , , said] of cases) {
    it(`are refused for ${what}`, () => {
      const error = outcomes.get(what);
      expect(error, 'it was registered').to.be.instanceOf(ClientError);
      expect(error?.code).to.equal('bad_input');
      expect(error?.message).to.match(said).and.not.to.include(system.folder);
    });
  }

  it('leave nothing behind, and the system serves on', async () => {
    const tasks = await system.client.tasks();
    expect(tasks.map(({ name }) => name)).to.not.include('sums');
    const left = (folder: string): string[] => readdirSync(join(system.folder, 'data', folder));
    expect(left('work')).to.deep.equal([]);
    // A manifest that a gateway refuses never met its upload, which is given up when it idles.
    expect(left('uploads').length).to.be.below(manifests.length);
    const image = { shape: [1, 1, 28, 28], data: new Float32Array(784) };
    const answer = await system.client.query({ variant: 'mlp-fp32', inputs: { image } });
    expect(answer.ok).to.equal(true);
  });

  it('do not keep a good model out', async () => {
    const manifest = { ...base, architecture: 'good', generate: { precisions: [] } };
    const report = await system.client.register(manifest, model, { generate: false });
    expect(report).to.include({ architecture: 'good', version: 1, changed: true });
    const x = { shape: [1, 4], data: Float32Array.of(1, 2, 3, 4) };
    const answer = await system.client.query({ architecture: 'good', inputs: { x } });
    expect(answer.ok).to.equal(true);
  });
});
