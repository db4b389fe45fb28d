/**
 * From queries to a graph's inputs and back: names, tails, shared inputs, state, outputs wanted.
 */

import { expect } from 'chai';

import type { EngineQuery } from '../../../actors/instance/engine-port.ts';
import { answerBatch, feedBatch, type FeedPlan, planFeeds } from '../../../nodes/engine/feeds.ts';
import { EngineFailed } from '../../../runtime/errors.ts';
import { tensorOf, typedArrayOf } from '../../../runtime/wire/tensors.ts';
import { linear, recurrent, VariantFolder } from '../../fixtures/engine-variants.ts';

function query(samples: readonly number[], rest?: Partial<EngineQuery>): EngineQuery {
  const x = tensorOf('FP32', [samples.length / 5, 5], Float32Array.from(samples));
  const rate = tensorOf('INT64', [], BigInt64Array.of(16n));
  return { inputs: { x, rate }, batch: samples.length / 5, outputs: undefined, ...rest };
}

describe('feeds', () => {
  const folder = new VariantFolder();
  let plan: FeedPlan;
  let simple: FeedPlan;
  before(() => {
    plan = planFeeds(recurrent(folder));
    simple = planFeeds(linear(folder));
  });
  after(() => folder.remove());

  it('name what the graph names and leave out what it has no use for', () => {
    expect(plan.inputs.map(({ graph }) => graph)).to.deep.equal([
      { name: 'in', datatype: 'FP32', shape: ['batch', 3] },
      { name: 'sr', datatype: 'INT64', shape: [] },
      { name: 'state', datatype: 'FP32', shape: [2, 'batch', 3] },
    ]);
    expect(plan.outputs.map(({ graph }) => graph.name)).to.deep.equal(['out', 'stateN']);
  });

  it('join tails, take shared inputs once, and let absent state start as zeros', () => {
    const h = tensorOf('FP32', [2, 1, 3], Float32Array.of(1, 2, 3, 4, 5, 6));
    const first = query([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    const second = query([11, 12, 13, 14, 15]);
    const feed = feedBatch(plan, [first, { ...second, inputs: { ...second.inputs, h } }]);
    expect(feed.shapes).to.deep.equal([[3, 3], [], [2, 3, 3]]);
    expect(feed.byteLengths).to.deep.equal([36, 8, 72]);
    const body = new Uint8Array(Buffer.concat(feed.body.pieces));
    expect(body.length).to.equal(feed.body.bytes);
    const floats = (from: number, bytes: number): number[] =>
      Array.from(typedArrayOf({ datatype: 'FP32', data: body.slice(from, from + bytes) }), Number);
    expect(floats(0, 36)).to.deep.equal([3, 4, 5, 8, 9, 10, 13, 14, 15]);
    expect(body[40]).to.equal(16);
    expect(floats(48, 72)).to.deep.equal([0, 0, 0, 0, 0, 0, 1, 2, 3, 0, 0, 0, 0, 0, 0, 4, 5, 6]);
  });

  it('fetch the outputs that any query wants', () => {
    const some = query([1, 2, 3, 4, 5], { outputs: ['hNext'] });
    expect(feedBatch(plan, [some]).wanted).to.deep.equal([1]);
    expect(feedBatch(plan, [some, query([1, 2, 3, 4, 5])]).wanted).to.deep.equal([0, 1]);
  });

  it('say which input is missing', () => {
    const none: EngineQuery = { inputs: {}, batch: 1, outputs: undefined };
    expect(() => feedBatch(simple, [none])).to.throw(EngineFailed, 'input "x" is missing');
  });

  it('give each query its part of what it wants and no more', () => {
    const queries = [query([1, 2, 3, 4, 5], { outputs: ['hNext'] }), query([1, 2, 3, 4, 5])];
    const body = new Uint8Array(24 + 48);
    new Float32Array(body.buffer).set([
      1, 2, 3, 4, 5, 6, 10, 11, 12, 20, 21, 22, 30, 31, 32, 40, 41, 42,
    ]);
    const shapes = [
      [2, 3],
      [2, 2, 3],
    ];
    const [first, second] = answerBatch(plan, queries, [0, 1], [1, shapes, [24, 48]], body);
    expect(Object.keys(first ?? {})).to.deep.equal(['hNext']);
    expect(second?.['y']?.shape).to.deep.equal([1, 3]);
    expect(second?.['hNext']?.shape).to.deep.equal([2, 1, 3]);
    const next = second?.['hNext'] ?? expect.fail('no state');
    expect(Array.from(typedArrayOf(next), Number)).to.deep.equal([20, 21, 22, 40, 41, 42]);
  });

  it('refuse an output whose batch axis is not the batch', () => {
    const x = tensorOf('FP32', [2, 4], new Float32Array(8));
    const queries: EngineQuery[] = [{ inputs: { x }, batch: 2, outputs: undefined }];
    expect(() =>
      answerBatch(simple, queries, [0], [1, [[3, 3]], [36]], new Uint8Array(36)),
    ).to.throw(EngineFailed, 'output "y" has shape [3, 3]');
  });
});
