/** The lab: jobs in processes of their own, and what becomes of models that do not behave. */

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { expect } from 'chai';

import { predictBatchMs } from '../../../actors/domain/profile.ts';
import { type LabConfigInput, labConfigSchema } from '../../../nodes/lab/config.ts';
import { LabFailed, ModelRefused } from '../../../nodes/lab/errors.ts';
import { createModelLab, type ModelLab } from '../../../nodes/lab/lab.ts';
import type { LabProgress } from '../../../nodes/lab/messages.ts';
import { packageRoot } from '../../../nodes/package-root.ts';
import { silentLogger } from '../../../runtime/log.ts';
import { profileSchema } from '../../../nodes/profile-schema.ts';
import {
  bombGraph,
  endlessGraph,
  growingGraph,
  LabFolder,
  linearGraph,
  upToFourGraph,
} from './graphs.ts';

const cnn = join(packageRoot(), 'zoo/digit-classification/cnn-small.onnx');
const signature = {
  inputs: { x: { datatype: 'FP32', shape: ['batch', 4] } },
  outputs: { y: { datatype: 'FP32', shape: ['batch', 3] } },
} as const;
const column = {
  inputs: { x: { datatype: 'FP32', shape: ['batch', 1] } },
  outputs: { y: { datatype: 'FP32', shape: ['batch', 1] } },
} as const;

describe('the model lab', function () {
  this.timeout(60_000);
  const folder = new LabFolder();
  const labs: ModelLab[] = [];
  const open = (config: LabConfigInput = {}): ModelLab => {
    const lab = createModelLab(labConfigSchema.parse(config), silentLogger);
    labs.push(lab);
    return lab;
  };
  afterEach(async () => {
    await Promise.all(labs.splice(0).map((lab) => lab.close()));
  });
  after(() => {
    folder.remove();
  });

  const failure = async (work: Promise<unknown>): Promise<LabFailed> => {
    try {
      await work;
    } catch (error) {
      if (error instanceof LabFailed) return error;
      throw error;
    }
    return expect.fail('it did not fail');
  };

  it('checks and profiles a model, telling what it does', async () => {
    const lab = open({ profileMs: 400 });
    const told: LabProgress[] = [];
    const checked = await lab.check(cnn, {}, { onProgress: (progress) => told.push(progress) });
    const { profile, batchMax, skipped } = await lab.profile(
      cnn,
      { signature: checked.signature, recipe: checked.recipe },
      { onProgress: (progress) => told.push(progress) },
    );
    expect(profile.latency.map(({ batch }) => batch)).to.deep.equal([1, 2, 4, 8, 16, 32, 64]);
    expect(batchMax).to.equal(64);
    expect(skipped).to.deep.equal([]);
    expect(profile.memoryBytes).to.be.at.least(readFileSync(cnn).length);
    expect(profile.loadMs).to.be.greaterThan(0);
    expect(profile.provenance?.samples).to.be.at.least(7 * 5);
    for (const { batch, p95Ms = 0, p99Ms = 0 } of profile.latency) {
      expect(p99Ms).to.be.at.least(p95Ms);
      expect(predictBatchMs(profile, batch)).to.be.greaterThan(0);
    }
    expect(profileSchema.parse(profile)).to.deep.equal(profile);
    const stages = told.map(({ stage }) => stage);
    expect(stages).to.include.members(['loading', 'batching', 'measuring batch 64']);
  });

  it('counts the files beside a model as its own', async () => {
    const file = folder.write('linear.onnx', linearGraph('n'));
    folder.write('linear.onnx.data', new Uint8Array(2 ** 26));
    const { profile } = await open().profile(file, {
      ...{ signature, budgetMs: 100, beside: ['linear.onnx.data'] },
    });
    expect(profile.fileBytes).to.equal(readFileSync(file).length + 2 ** 26);
    expect(profile.memoryBytes).to.be.at.least(2 ** 26);
  });

  it('leaves batches beyond the time to the fit, marked so', async () => {
    const slow = join(packageRoot(), 'zoo/digit-classification/resnet-tta.onnx');
    const { signature: takes } = await open().check(slow, {});
    const { profile, skipped } = await open().profile(slow, { signature: takes, budgetMs: 300 });
    const largest = profile.latency.at(-1);
    expect(largest).to.include({ batch: 64, predicted: true });
    expect(skipped.at(-1)).to.deep.equal({ batch: 64, why: 'the time was up' });
    expect(largest?.ms).to.be.greaterThan(profile.latency[0]?.ms ?? Infinity);
  });

  it('ends at the largest batch that a model takes', async () => {
    const file = folder.write('up-to-4.onnx', upToFourGraph);
    const { profile, batchMax, skipped } = await open().profile(file, {
      signature: { inputs: signature.inputs, outputs: { y: signature.inputs.x } },
      budgetMs: 100,
    });
    expect(batchMax).to.equal(4);
    expect(profile.latency.map(({ batch }) => batch)).to.deep.equal([1, 2, 4]);
    expect(skipped[0]).to.include({ batch: 8 });
    expect(skipped[0]?.why).to.match(/it fails: .*Gather/);
  });

  it('tries no batch whose memory would exceed the budget', async () => {
    const file = folder.write('growing.onnx', growingGraph);
    const lab = open({ memoryBytesMax: 500 * 1024 ** 2, spreadMax: 0.9 });
    const { profile, skipped } = await lab.profile(file, { signature: column, budgetMs: 6_000 });
    expect(skipped.at(-1)).to.deep.equal({ batch: 64, why: 'its memory would exceed the budget' });
    expect(profile.latency.at(-1)).to.include({ batch: 64, predicted: true });
    expect(profile.memoryBytes).to.be.at.least(2 * 8 * 4 * 1024 ** 2);
  });

  it('names a model that hangs, and ends it', async () => {
    const file = folder.write('endless.onnx', endlessGraph);
    const failed = await failure(open({ hangMs: 2_000 }).check(file, {}));
    expect(failed.how).to.equal('hung');
    expect(failed.message).to.match(
      /endless\.onnx: check failed while \w+: it did nothing for 2000 ms/,
    );
  });

  it('names a model that eats memory, before the machine suffers', async () => {
    const file = folder.write('bomb.onnx', bombGraph(4_096));
    const lab = open({ memoryBytesMax: 600 * 1024 ** 2, memoryPollMs: 2 });
    const failed = await failure(lab.check(file, { signature: column }));
    expect(failed.how).to.equal('out_of_memory');
    expect(failed.message).to.match(/more than 600 MiB, the limit/);
  });

  it('refuses a model that asks for more than any machine has', async () => {
    const file = folder.write('bomb.onnx', bombGraph(1 << 30));
    const failed = await open()
      .check(file, { signature: column })
      .catch((error: unknown) => error);
    expect(failed).to.satisfy(
      (error: unknown) =>
        error instanceof ModelRefused ||
        (error instanceof LabFailed && error.how === 'out_of_memory'),
    );
  });

  it('names the signal that a process died of', async () => {
    const file = folder.write('endless.onnx', endlessGraph);
    const lab = open();
    const job = failure(
      lab.check(
        file,
        {},
        {
          onProgress: ({ stage }) => {
            if (stage === 'trying') killChildren('SIGSEGV');
          },
        },
      ),
    );
    expect((await job).how).to.equal('killed');
    expect((await job).message).to.match(/died of SIGSEGV/);
  });

  it('ends a job that is cancelled, and one that waits for its turn', async () => {
    const file = folder.write('endless.onnx', endlessGraph);
    const lab = open();
    const [first, second] = [new AbortController(), new AbortController()];
    const running = failure(
      lab.check(
        file,
        {},
        {
          signal: first.signal,
          onProgress: ({ stage }) => {
            if (stage !== 'trying') return;
            second.abort();
            first.abort();
          },
        },
      ),
    );
    const waiting = failure(lab.check(file, {}, { signal: second.signal }));
    expect((await running).how).to.equal('cancelled');
    expect((await waiting).message).to.match(/cancelled before it began/);
  });

  it('refuses jobs beyond its queue', async () => {
    const lab = open({ queueMax: 1 });
    const file = folder.write('linear.onnx', linearGraph('n'));
    const jobs = [lab.check(file, {}), lab.check(file, {})];
    expect((await failure(lab.check(file, {}))).how).to.equal('busy');
    await Promise.all(jobs);
  });

  it('writes what the optimiser made of a model, which gives the same answers', async () => {
    const lab = open();
    const outFile = join(folder.path, 'optimised.onnx');
    const { bytes } = await lab.optimise(cnn, { level: 'extended', outFile });
    expect(readFileSync(outFile).length).to.equal(bytes);
    expect(existsSync(`${outFile}.part`)).to.equal(false);
    const { signature: takes, recipe } = await lab.check(outFile, {});
    const agreement = await lab.evaluate(outFile, {
      signature: takes,
      recipe,
      metric: { kind: 'top1' },
      output: 'logits',
      batchMax: 16,
      reference: { file: cnn, signature: takes },
    });
    expect(agreement).to.include({ accuracy: 100, against: 'reference', madeUp: true });
    expect(agreement.difference?.max).to.be.lessThan(1e-3);
  });
});

/** Of the processes this one started, those of the lab: by their parent and their program. */
function killChildren(signal: NodeJS.Signals): void {
  const self = String(process.pid);
  const children = readFileSync(`/proc/${self}/task/${self}/children`, 'utf8').trim().split(' ');
  for (const pid of children) {
    const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
    if (command.includes('model-lab')) process.kill(Number(pid), signal);
  }
}
