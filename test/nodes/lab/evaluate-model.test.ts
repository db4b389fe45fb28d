/** Accuracy: on a validation set, against a reference, and what is wrong with either. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { expect } from 'chai';

import { parseNpy } from '../../../nodes/cli/npy.ts';
import { labConfigSchema } from '../../../nodes/lab/config.ts';
import { ValidationInvalid } from '../../../nodes/lab/errors.ts';
import { evaluateModel } from '../../../nodes/lab/evaluate-model.ts';
import type { EvaluateOptions, EvaluationReport, LabLimits } from '../../../nodes/lab/messages.ts';
import { loadManifest } from '../../../nodes/load-manifests.ts';
import { packageRoot } from '../../../nodes/package-root.ts';
import { tensorOf } from '../../../runtime/wire/tensors.ts';
import { LabFolder, linearGraph, recurrentGraph } from './graphs.ts';

const settings = { optimisation: 'all', cpuArena: true, memoryPattern: true } as const;
const limits: LabLimits = {
  ...labConfigSchema.parse({ validationLinesMax: 3_000, validationLineBytesMax: 100_000 }),
  sampling: { samplesMin: 5, samplesMax: 5, spreadMax: 1, turnMs: 1, turnRunsMax: 5 },
};
const digits = join(packageRoot(), 'zoo/digit-classification');

const signature = {
  inputs: { x: { datatype: 'FP32', shape: ['batch', 4] } },
  outputs: { y: { datatype: 'FP32', shape: ['batch', 3] } },
} as const;
const top1 = { signature, metric: { kind: 'top1' }, output: 'y' } as const;

describe('the accuracy of a model', () => {
  const folder = new LabFolder();
  after(() => {
    folder.remove();
  });
  const linear = (): string => folder.write('linear.onnx', linearGraph('n'));
  const evaluate = (file: string, options: EvaluateOptions): Promise<EvaluationReport> =>
    evaluateModel(file, options, settings, limits, () => undefined);

  it("is what the zoo's manifests say, on its held-out digits", async () => {
    const variant = loadManifest(join(digits, 'mlp-fp32.yaml'));
    const { accuracy, examples, against } = await evaluate(variant.file.path, {
      signature: variant.signature,
      batchMax: 32,
      validation: folder.write('digits.jsonl', heldOutDigits()),
      metric: { kind: 'top1' },
      output: 'logits',
    });
    expect(examples).to.equal(2_000);
    expect(against).to.equal('labels');
    expect(accuracy).to.be.closeTo(variant.accuracy, 0.05);
  });

  const lines = [
    { inputs: { x: [[1, 0, 0, 0]] }, label: 1 },
    { inputs: { x: [0, 1, 0, 0] }, label: 2 },
    { inputs: { x: { datatype: 'FP32', shape: [1, 4], data: [0, 0, 1, 0] } }, label: [2] },
  ];
  /** Each `x` picks a row of the weights, which are sin(1), sin(2), …; the largest are 1, 2, 1. */
  it('reads inputs nested, flat or with their shape, and skips blank lines', async () => {
    const text = lines.map((line) => JSON.stringify(line)).join('\n\n');
    const validation = folder.write('rows.jsonl', `${text}\n`);
    const { accuracy, examples } = await evaluate(linear(), { ...top1, validation });
    expect(examples).to.equal(3);
    expect(accuracy).to.be.closeTo(66.667, 0.01);
  });

  const wrong: readonly (readonly [string, string, number | undefined, RegExp])[] = [
    ['no JSON', '{"inputs": {', 1, /it is no JSON/],
    ['another form', '{"input": {}, "label": 1}', 1, /expected \{"inputs"/],
    ['an unknown input', line({ z: [1, 2, 3, 4] }, 0), 1, /no input "z"; the signature has x/],
    ['another shape', line({ x: [1, 2, 3] }, 0), 1, /input "x"/],
    ['a missing input', line({}, 0), 1, /input "x": it is missing/],
    [
      'several queries',
      line(
        {
          x: [
            [1, 2, 3, 4],
            [1, 2, 3, 4],
          ],
        },
        0,
      ),
      1,
      /not a batch of 2/,
    ],
    ['no label', '{"inputs": {"x": [1, 2, 3, 4]}}', 1, /it has no label/],
    ['a label that is no number', line({ x: [1, 2, 3, 4] }, 'seven'), 1, /label is not a number/],
    ['a class beyond the last', line({ x: [1, 2, 3, 4] }, 3), 1, /label 3 is no class.* has 3/],
    ['labels for more rows', line({ x: [1, 2, 3, 4] }, [0, 1]), 1, /2 labels for 1 rows/],
    ['no example at all', '\n\n', undefined, /it has no examples/],
    ['a line without end', '1'.repeat(200_000), undefined, /a line of more than 100000 bytes/],
  ];
  for (const [what, text, at, message] of wrong) {
    it(`refuses a validation set with ${what}, naming file and line`, async () => {
      const validation = folder.write('wrong.jsonl', text);
      const error = await invalid(evaluate(linear(), { ...top1, validation }));
      expect(error.line).to.equal(at);
      expect(error.message).to.match(message);
      expect(error.message.startsWith(`${validation}${at === undefined ? '' : ':1'}: `)).to.equal(
        true,
      );
    });
  }

  it('names the line, not the batch, whose label does not fit', async () => {
    const good = line({ x: [1, 2, 3, 4] }, 0);
    const validation = folder.write(
      'third.jsonl',
      `${good}\n${good}\n${line({ x: [1, 2, 3, 4] }, 9)}`,
    );
    const error = await invalid(evaluate(linear(), { ...top1, validation, batchMax: 32 }));
    expect(error.line).to.equal(3);
  });

  it('refuses a missing validation set', async () => {
    const validation = join(folder.path, 'absent.jsonl');
    const error = await invalid(evaluate(linear(), { ...top1, validation }));
    expect(error.message).to.match(/absent\.jsonl: it cannot be read: ENOENT/);
  });

  it('is agreement where a reference answers for the labels', async () => {
    const reference = { file: linear(), signature };
    const recipe = { dims: {}, scalars: {}, integers: 'bits' } as const;
    const same = await evaluate(linear(), { ...top1, reference, recipe, batchMax: 8 });
    expect(same).to.deep.equal({
      accuracy: 100,
      against: 'reference',
      metric: 'top1',
      examples: 64,
      madeUp: true,
      difference: { mean: 0, max: 0 },
    });
  });

  it('carries state from line to line in a stream', async () => {
    const file = folder.write('recurrent.onnx', recurrentGraph);
    const recurrent = {
      inputs: {
        x: { datatype: 'FP32', shape: ['batch', 5] },
        state: { datatype: 'FP32', shape: [2, 'batch', 5], state: 'stateNext' },
      },
      outputs: { stateNext: { datatype: 'FP32', shape: [2, 'batch', 5] } },
    } as const;
    const ones = Array.from({ length: 5 }, () => 1);
    const labels = [1, 2, 3].map((sum) => Array.from({ length: 10 }, () => sum));
    const validation = folder.write(
      'stream.jsonl',
      labels.map((label) => line({ x: ones }, label)).join('\n'),
    );
    const options: EvaluateOptions = {
      signature: recurrent,
      validation,
      metric: { kind: 'within', tolerance: 1e-6 },
      output: 'stateNext',
    };
    expect((await evaluate(file, { ...options, stream: true })).accuracy).to.equal(100);
    expect((await evaluate(file, options)).accuracy).to.be.closeTo(33.333, 0.01);
  });

  it('judges one side of a threshold or the other', async () => {
    const outputs = { y: { datatype: 'FP32', shape: ['batch', 3] } } as const;
    // Row 0 of the weights: sin 1, sin 2, sin 3 = 0.84, 0.91, 0.14.
    const validation = folder.write('sides.jsonl', line({ x: [1, 0, 0, 0] }, [1, true, 0]));
    const metric = { kind: 'threshold', threshold: 0.5 } as const;
    const options = { signature: { ...signature, outputs }, metric, output: 'y', validation };
    expect((await evaluate(linear(), options)).accuracy).to.equal(100);
  });

  it('takes given samples before made-up ones', async () => {
    const samples = [{ x: tensorOf('FP32', [1, 4], Float32Array.of(1, 2, 3, 4)) }];
    const reference = { file: linear(), signature };
    const { examples, madeUp } = await evaluate(linear(), { ...top1, reference, samples });
    expect({ examples, madeUp }).to.deep.equal({ examples: 1, madeUp: false });
  });
});

function line(inputs: Readonly<Record<string, unknown>>, label: unknown): string {
  return JSON.stringify({ inputs, label });
}

/** The zoo's held-out digits as a validation set: bytes of pixels, scaled to 0…1. */
function heldOutDigits(): string {
  const read = (name: string) => parseNpy(readFileSync(join(digits, name)), name);
  const [images, labels] = [read('heldout-images.npy'), read('heldout-labels.npy')];
  return [...labels.data]
    .map((label, at) => {
      const pixels = Buffer.from(images.data.subarray(at * 784, (at + 1) * 784));
      const image = {
        datatype: 'UINT8',
        shape: [1, 1, 28, 28],
        base64: pixels.toString('base64'),
        scale: 1 / 255,
      };
      return line({ image }, label);
    })
    .join('\n');
}

async function invalid(work: Promise<unknown>): Promise<ValidationInvalid> {
  try {
    await work;
  } catch (error) {
    if (error instanceof ValidationInvalid) return error;
    throw error;
  }
  return expect.fail('it was not refused');
}
