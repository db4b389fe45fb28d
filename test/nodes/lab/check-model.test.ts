/**
 * The check of a model: what it takes, what it gives, and whether it batches. Real ONNX Runtime.
 */

import { expect } from 'chai';

import { ModelRefused } from '../../../nodes/lab/errors.ts';
import { checkModel } from '../../../nodes/lab/check-model.ts';
import type { CheckOptions, CheckReport } from '../../../nodes/lab/messages.ts';
import { openModel } from '../../../nodes/lab/model-run.ts';
import { tensorOf } from '../../../runtime/wire/tensors.ts';
import type { Graph } from '../../fixtures/onnx-graph.ts';
import {
  LabFolder,
  linearGraph,
  mixingGraph,
  pictureGraph,
  recurrentGraph,
  textGraph,
  tokensGraph,
  unrunnableGraph,
  windowGraph,
} from './graphs.ts';

const settings = { optimisation: 'all', cpuArena: true, memoryPattern: true } as const;

describe('the check of a model', () => {
  const folder = new LabFolder();
  after(() => {
    folder.remove();
  });

  const check = async (graph: Graph, options: CheckOptions = {}): Promise<CheckReport> => {
    const model = await openModel(folder.write('model.onnx', graph), settings);
    try {
      return await checkModel(model, options, { attemptsMax: 400 }, () => undefined);
    } finally {
      await model.onnx.release();
    }
  };

  const refusal = async (work: Promise<unknown>): Promise<ModelRefused> => {
    try {
      await work;
    } catch (error) {
      if (error instanceof ModelRefused) return error;
      throw error;
    }
    return expect.fail('it was not refused');
  };

  it('finds the batch axis, whatever it is called', async () => {
    for (const name of ['batch', 'n', 'whatever', '']) {
      const { signature, batching, batchMax } = await check(linearGraph(name));
      expect(signature).to.deep.equal({
        inputs: { x: { datatype: 'FP32', shape: ['batch', 4] } },
        outputs: { y: { datatype: 'FP32', shape: ['batch', 3] } },
      });
      expect(batching.works).to.equal(true);
      expect(batchMax).to.equal(undefined);
    }
  });

  it('does not believe an axis called batch that mixes its rows', async () => {
    const { batching, batchMax, signature } = await check(mixingGraph);
    expect(batching).to.deep.include({ works: false });
    expect(batching.works ? '' : batching.why).to.match(/output "y": in a batch of two.*off/);
    expect(batchMax).to.equal(1);
    expect(signature.inputs['x']?.shape).to.not.include('batch');
  });

  it('holds models without an open size to one query at a time', async () => {
    const { signature, batchMax, batching } = await check(linearGraph(1));
    expect(signature.inputs['x']).to.deep.equal({ datatype: 'FP32', shape: [1, 4] });
    expect(batchMax).to.equal(1);
    expect(batching.works).to.equal(false);
  });

  it('guesses a height and a width, and keeps them open', async () => {
    const { signature, recipe } = await check(pictureGraph);
    expect(recipe.dims).to.deep.equal({ height: 224, width: 224 });
    expect(signature.inputs['picture']?.shape).to.deep.equal(['batch', 3, 'height', 'width']);
    expect(signature.outputs['mean']?.shape).to.deep.equal(['batch', 3, 1, 1]);
  });

  it('feeds tokens, masks and rates, and shares what has no batch axis', async () => {
    const { signature, recipe, batching } = await check(tokensGraph);
    expect(recipe.scalars).to.deep.equal({ rate: 16_000 });
    expect(signature.inputs['ids']?.shape).to.deep.equal(['batch', 'length']);
    expect(signature.inputs['rate']).to.deep.equal({ datatype: 'INT64', shape: [], shared: true });
    expect(signature.outputs['y']?.shape).to.deep.equal(['batch', 'length']);
    expect(batching.works).to.equal(true);
  });

  it('finds the batch in the second axis of recurrent state', async () => {
    const { signature } = await check(recurrentGraph);
    expect(signature.inputs['x']?.shape).to.deep.equal(['batch', 5]);
    expect(signature.inputs['state']?.shape).to.deep.equal([2, 'batch', 5]);
    expect(signature.outputs['stateNext']?.shape).to.deep.equal([2, 'batch', 5]);
  });

  it('tries sizes until one runs, and says which', async () => {
    const { recipe, attempts, signature } = await check(windowGraph);
    expect(recipe.dims).to.deep.equal({ samples: 576 });
    expect(attempts).to.be.greaterThan(1);
    expect(signature.outputs['frames']?.shape).to.deep.equal(['batch', 24, 24]);
  });

  it('runs text', async () => {
    const { signature, batching } = await check(textGraph);
    expect(signature.inputs['text']).to.deep.equal({ datatype: 'BYTES', shape: ['batch', 1] });
    expect(batching).to.deep.equal({ works: true, deviation: 0 });
  });

  it('takes a sample that it is given', async () => {
    const sound = tensorOf('FP32', [1, 576], new Float32Array(576).fill(0.5));
    const { attempts, recipe } = await check(windowGraph, { samples: [{ sound }] });
    expect(attempts).to.equal(1);
    expect(recipe.dims['samples']).to.equal(576);
  });

  it('refuses a sample on which the model does not run, with the reason', async () => {
    const sound = tensorOf('FP32', [1, 5], new Float32Array(5));
    const refused = await refusal(check(windowGraph, { samples: [{ sound }] }));
    expect(refused.reason).to.equal('unrunnable');
    expect(refused.message).to.match(/does not run on the sample given.*Reshape/s);
  });

  it('refuses what runs on nothing, with what the first attempt said', async () => {
    const refused = await refusal(check(unrunnableGraph));
    expect(refused.reason).to.equal('unrunnable');
    expect(refused.message).to.match(/none of \d+ samples.*Gather.*Give a sample/s);
  });

  it('holds the graph to a given signature, through its adapter', async () => {
    const signature = {
      inputs: { image: { datatype: 'FP32', shape: ['batch', 4] } },
      outputs: { scores: { datatype: 'FP32', shape: ['batch', 3] } },
    } as const;
    const adapter = { inputs: { image: 'x' }, outputs: { scores: 'y' } };
    const { batching } = await check(linearGraph('n'), { signature, adapter });
    expect(batching.works).to.equal(true);
  });

  const misfits: readonly (readonly [string, CheckOptions['signature'], RegExp])[] = [
    [
      'a name that it has not',
      { inputs: { z: { datatype: 'FP32', shape: ['batch', 4] } }, outputs: {} },
      /the graph has no input "z"; it has x/,
    ],
    [
      'another datatype',
      { inputs: { x: { datatype: 'FP16', shape: ['batch', 4] } }, outputs: {} },
      /input "x" is FP32, the signature says FP16/,
    ],
    [
      'another shape',
      { inputs: { x: { datatype: 'FP32', shape: ['batch', 5] } }, outputs: {} },
      /input "x" is \[n, 4\], the signature says \[batch, 5\]/,
    ],
    [
      'nothing to feed an input with',
      { inputs: {}, outputs: { y: { datatype: 'FP32', shape: ['batch', 3] } } },
      /nothing in the signature feeds its input "x"/,
    ],
  ];
  for (const [what, signature, message] of misfits) {
    it(`refuses a signature with ${what}`, async () => {
      const refused = await refusal(check(linearGraph('n'), { signature }));
      expect(refused.reason).to.equal('misfit');
      expect(refused.message).to.match(message);
    });
  }

  it('refuses what is no model', async () => {
    const file = folder.write('broken.onnx', 'not a model');
    const refused = await refusal(openModel(file, settings));
    expect(refused.reason).to.equal('unloadable');
    expect(refused.message).to.contain(file);
  });
});
