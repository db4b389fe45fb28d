// Candidates of real models, made and run: what comes out loads, agrees, and is no copy.

import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';

import { type Candidate, candidateName } from '../../../nodes/generator/candidate.ts';
import { generatorConfigSchema, generatorDefaults } from '../../../nodes/generator/config.ts';
import {
  type CandidateOutcome,
  createCandidateMaker,
  type MadeCandidate,
} from '../../../nodes/generator/make-candidates.ts';
import { planCandidates } from '../../../nodes/generator/plan-candidates.ts';
import { runModel } from '../../../nodes/generator/run-model.ts';
import { onnxDefaults } from '../../../nodes/onnx/config.ts';
import { factsOf } from '../../../nodes/onnx/facts.ts';
import { readModel } from '../../../nodes/onnx/read-model.ts';
import { writeModel } from '../../../nodes/onnx/write-model.ts';
import { type NamedTensors, tensorOf, typedArrayOf } from '../../../runtime/wire/tensors.ts';

const zoo = fileURLToPath(new URL('../../../zoo/', import.meta.url));
const digits = join(zoo, 'digit-classification');

/** The data of a version 1 .npy file. */
function npy(name: string): Buffer {
  const content = readFileSync(join(digits, name));
  return content.subarray(10 + content.readUInt16LE(8));
}

function digitBatch(from: number, count: number): NamedTensors {
  const pixels = npy('heldout-images.npy').subarray(from * 784, (from + count) * 784);
  const image = Float32Array.from(pixels, (pixel) => pixel / 255);
  return { image: tensorOf('FP32', [count, 1, 28, 28], image) };
}

async function top1(file: string, count: number): Promise<number> {
  const labels = npy('heldout-labels.npy');
  let right = 0;
  await runModel(file, [digitBatch(100, count)], ({ logits }) => {
    const scores = typedArrayOf(logits!) as Float32Array;
    for (let row = 0; row < count; row += 1) {
      const digit = scores.subarray(row * 10, row * 10 + 10);
      if (digit.indexOf(Math.max(...digit)) === labels[100 + row]) right += 1;
    }
  });
  return (100 * right) / count;
}

describe('making candidates', function () {
  this.timeout(120_000);
  let folder = '';
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'infaas-candidates-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  async function makeAll(
    file: string,
    samples: readonly NamedTensors[],
    candidates: readonly Candidate[],
    generator = generatorDefaults,
  ): Promise<CandidateOutcome[]> {
    const maker = createCandidateMaker({ file, folder, samples, generator, onnx: onnxDefaults });
    const outcomes: CandidateOutcome[] = [];
    for (const candidate of candidates) outcomes.push(await maker.make(candidate));
    maker.close();
    return outcomes;
  }

  const find = (outcomes: readonly CandidateOutcome[], name: string): MadeCandidate => {
    const found = outcomes.find(({ candidate }) => candidateName(candidate) === name);
    if (found?.ok !== true) throw new Error(found?.reason ?? `${name} was not planned`);
    return found;
  };

  it('makes int8 a third of the size of the source, as accurate within a point', async () => {
    const file = join(digits, 'cnn-large.onnx');
    const settings = {
      ...generatorDefaults,
      rewriteBytesMax: 1e9,
      hardware: ['cpu', 'webgpu'],
      calibration: true,
    };
    const { candidates } = planCandidates(factsOf(readModel(file)), settings);
    const samples = Array.from({ length: 20 }, (_, at) => digitBatch(at, 1));
    const outcomes = await makeAll(file, samples, candidates);
    const source = await top1(file, 500);
    for (const outcome of outcomes) {
      if (!outcome.ok) continue;
      expect(await top1(outcome.file, 500), outcome.file).to.be.closeTo(source, 1);
      const facts = factsOf(readModel(outcome.file));
      expect(facts.inputs.map(({ name }) => name)).to.deep.equal(['image']);
      expect(facts.outputs[0]).to.include({ name: 'logits', datatype: 'FP32' });
      expect(outcome.comparison[0]?.top1Agreement).to.equal(1);
    }
    const fp32 = statSync(file).size;
    for (const name of ['int8-static', 'int8-dynamic', 'int8-weights']) {
      expect(find(outcomes, name).bytes * 3, name).to.be.below(fp32);
    }
    expect(find(outcomes, 'fp16-weights').bytes * 1.9).to.be.below(fp32);
    expect(find(outcomes, 'fp16').bytes * 1.9).to.be.below(fp32);
    expect(find(outcomes, 'int8-static').runtime).to.equal(undefined);
    expect(find(outcomes, 'int8-static').machine).to.equal(undefined);
    expect(find(outcomes, 'fp32-all').machine).to.match(/onnxruntime/);
    const kept = outcomes.filter(({ ok }) => ok).map(({ candidate }) => candidateName(candidate));
    expect(readdirSync(folder).sort()).to.deep.equal(kept.map((name) => `${name}.onnx`).sort());
  });

  it('refuses a level that gives the same graph as another, or as the source', async () => {
    const file = join(digits, 'linear.onnx');
    const levels = ['basic', 'extended', 'all'] as const;
    const candidates = levels.map((optimisation) => ({ precision: 'fp32' as const, optimisation }));
    const outcomes = await makeAll(file, [digitBatch(0, 1)], candidates);
    for (const outcome of outcomes) {
      expect(outcome.ok ? '' : outcome.reason).to.match(/same graph as the source/);
    }
    expect(readdirSync(folder)).to.deep.equal([]);
  });

  it('takes tensors along that lie beside the source', async () => {
    const given = readModel(join(digits, 'mlp.onnx'));
    const elsewhere = mkdtempSync(join(tmpdir(), 'infaas-beside-'));
    try {
      const file = join(elsewhere, 'mlp.onnx');
      writeModel(given, file, { ...onnxDefaults, singleFileBytesMax: 1 });
      expect(factsOf(readModel(file)).externalFiles).to.deep.equal(['mlp.onnx.data']);
      const candidates = [
        { precision: 'fp32' as const, optimisation: 'all' as const },
        { precision: 'int8-dynamic' as const, optimisation: 'all' as const },
      ];
      const outcomes = await makeAll(file, [digitBatch(0, 1)], candidates);
      for (const name of ['fp32-all', 'int8-dynamic-all']) {
        const { file: made, dataFile, comparison } = find(outcomes, name);
        const { externalFiles } = factsOf(readModel(made));
        expect(externalFiles).to.deep.equal(dataFile === undefined ? [] : [basename(dataFile)]);
        expect(comparison[0]?.top1Agreement).to.equal(1);
      }
    } finally {
      rmSync(elsewhere, { recursive: true, force: true });
    }
  });

  it('finds weights that the exporter computes in the graph', async () => {
    const file = join(zoo, 'voice-activity-detection', 'silero-v6-16k-op15.onnx');
    const sample: NamedTensors = {
      input: tensorOf(
        'FP32',
        [1, 576],
        Float32Array.from({ length: 576 }, (_, at) => (at % 7) / 7),
      ),
      state: tensorOf('FP32', [2, 1, 128], new Float32Array(256)),
      sr: tensorOf('INT64', [], BigInt64Array.of(16000n)),
    };
    const candidates = [{ precision: 'int8-dynamic' as const, optimisation: 'none' as const }];
    const outcomes = await makeAll(file, [sample], candidates);
    const made = find(outcomes, 'int8-dynamic');
    expect(made.report?.changed['LSTM']).to.be.above(0);
    expect(made.runtime).to.equal('onnxruntime');
  });

  it('refuses a candidate that is too far from its source, and removes it', async () => {
    const generator = generatorConfigSchema.parse({ errorMax: { int4: 1e-6 } });
    const candidates = [{ precision: 'int4-weights' as const, optimisation: 'none' as const }];
    const file = join(digits, 'mlp.onnx');
    const [outcome] = await makeAll(file, [digitBatch(0, 1)], candidates, generator);
    expect(outcome?.ok === false && outcome.reason).to.match(/"logits" is .* % off its source/);
    expect(readdirSync(folder)).to.deep.equal([]);
  });

  it('answers with a refusal when a model does not run on its samples', async () => {
    const candidates = [
      { precision: 'int8-static' as const, optimisation: 'none' as const },
      { precision: 'fp16-weights' as const, optimisation: 'none' as const },
    ];
    const wrong = { image: tensorOf('FP32', [1, 2], new Float32Array(2)) };
    const outcomes = await makeAll(join(digits, 'mlp.onnx'), [wrong], candidates);
    for (const outcome of outcomes) {
      expect(outcome.ok ? '' : outcome.reason).to.match(/does not run/);
    }
    expect(existsSync(join(folder, '.exposed.onnx'))).to.equal(false);
  });
});
