/** What a worker loads, keeps, loads again and lets go. */

import { expect } from 'chai';
import fc from 'fast-check';

import type { WorkerMessage } from '../../../actors/worker/protocol.ts';
import { restartPolicy } from '../../../runtime/supervision.ts';
import { outcomesOf, runQuery } from '../../support/run-queries.ts';
import { mebibyte, variantOf } from '../../support/variants.ts';
import { WorkerStage } from '../../support/worker-stage.ts';

const v = variantOf('v');
const load = (variantId: string, count = 1): WorkerMessage => ({
  type: 'worker.load-variant',
  variantId,
  count,
});

describe('what a worker loads', () => {
  it('is what it is told to keep, once it knows the variant', () => {
    const stage = new WorkerStage({ preload: { v: 2, unknown: 1 } });
    expect(stage.loads).to.deep.equal([]);
    stage.knows(v);
    expect(stage.loads).to.deep.equal(['v-1', 'v-2']);
  });

  it('is the largest number that anybody asked for', () => {
    const stage = new WorkerStage();
    stage.knows(v).send(load('v'), load('v', 3), load('v', 2), load('v'));
    expect(stage.loads).to.have.length(3);
  });

  it('is no more instances than its limit', () => {
    const stage = new WorkerStage({ instancesMax: 2 });
    stage.knows(v).send(load('v', 5), runQuery('q1', { variantId: 'v' }));
    expect(stage.loads).to.have.length(2);
  });

  it('is nothing for hardware that it has not', () => {
    const stage = new WorkerStage();
    stage.knows(variantOf('gpu', { hardware: 'cuda' })).send(runQuery('q', { variantId: 'gpu' }));
    expect(stage.loads).to.deep.equal([]);
    expect(outcomesOf(stage)).to.deep.equal(['q unavailable refused']);
  });

  it('is nothing that was made for another type of machine', () => {
    const stage = new WorkerStage();
    const [ours, other] = [{ machine: 'this one' }, { machine: 'another' }];
    stage.knows(variantOf('ours', ours), variantOf('theirs', other));
    stage.send(runQuery('q', { variantId: 'theirs' }), load('ours'));
    expect(stage.loads).to.deep.equal(['ours-1']);
    expect(outcomesOf(stage)).to.deep.equal(['q unavailable refused']);
  });

  it('never takes more memory than it owns', () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 5 });
    const step = fc.record({
      does: fc.constantFrom('load', 'query', 'stopped', 'failed', 'unload'),
      which: fc.nat(9),
      count: fc.integer({ min: 1, max: 4 }),
    });
    fc.assert(
      fc.property(sizes, fc.array(step, { maxLength: 25 }), (mebibytes, steps) => {
        const stage = new WorkerStage();
        const variants = mebibytes.map((size, at) =>
          variantOf(`v${at}`, { memoryBytes: size * mebibyte }),
        );
        stage.knows(...variants);
        const living = (): string[] =>
          stage.loads.filter((name) => stage.isWatching(stage.instance(name)));
        const bytesOf = (name: string): number =>
          variants.find(({ id }) => name.startsWith(`${id}-`))!.profile.memoryBytes;
        for (const { does, which, count } of steps) {
          const { id } = variants[which % variants.length]!;
          const name = living()[which % Math.max(1, living().length)];
          if (does === 'load') stage.send(load(id, count));
          else if (does === 'query') stage.send(runQuery('q', { variantId: id }));
          else if (does === 'unload') stage.send({ type: 'worker.unload-variant', variantId: id });
          else if (name !== undefined) stage.end(name, does);
          const used = living().reduce((sum, loaded) => sum + bytesOf(loaded), mebibyte);
          expect(used).to.be.at.most(8 * mebibyte);
        }
      }),
    );
  });
});

describe('an instance that fails', () => {
  const twice = { ...restartPolicy, restartsMax: 2, withinMs: 10_000 };
  const backoff = { ...twice, backoff: { initialMs: 100, factor: 2, maxMs: 1_000 } };

  it('is loaded again after the pause of the policy, if it is wanted', () => {
    const stage = new WorkerStage({ preload: { v: 1 }, reload: backoff });
    stage.knows(v).end('v-1', 'failed');
    stage.advance(99);
    expect(stage.loads).to.deep.equal(['v-1']);
    stage.advance(1);
    expect(stage.loads).to.deep.equal(['v-1', 'v-2']);
  });

  it('is not loaded again if it was loaded for a query only', () => {
    const stage = new WorkerStage({ reload: backoff });
    stage.knows(v).send(runQuery('q1')).end('v-1', 'failed');
    stage.advance(5_000);
    expect(stage.loads).to.deep.equal(['v-1']);
  });

  it('bars its variant here when it fails too often, and only for a while', () => {
    const stage = new WorkerStage({ preload: { v: 1 }, reload: twice });
    stage.knows(v);
    for (const name of ['v-1', 'v-2', 'v-3']) {
      stage.end(name, 'failed', `its engine died with ${name}`);
      stage.advance(0);
    }
    stage.send(runQuery('q1'), load('v'));
    expect(stage.loads).to.deep.equal(['v-1', 'v-2', 'v-3']);
    expect(outcomesOf(stage)).to.deep.equal(['q1 unavailable refused']);
    stage.advance(9_999);
    expect(stage.loads).to.have.length(3);
    stage.advance(1);
    expect(stage.loads).to.deep.equal(['v-1', 'v-2', 'v-3', 'v-4']);
  });

  it('fails once when several of its variant are lost with one engine host', () => {
    const stage = new WorkerStage({ preload: { v: 4 }, reload: twice });
    stage.knows(v);
    for (const name of stage.loads) stage.end(name, 'failed', 'engine host 7 died');
    stage.advance(0);
    expect(stage.loads).to.have.length(8);
  });

  it('bars no other variant', () => {
    const stage = new WorkerStage({ preload: { v: 1 }, reload: { ...twice, restartsMax: 0 } });
    stage.knows(v, variantOf('other')).end('v-1', 'failed');
    stage.send(runQuery('q1', { variantId: 'other' }), runQuery('q2'));
    expect(stage.toldInstance('other-2')).to.deep.equal(['worker.run-query q1']);
    expect(outcomesOf(stage)).to.deep.equal(['q2 unavailable refused']);
  });

  it('is told to the monitor, like one that stopped', () => {
    const stage = new WorkerStage({ preload: { v: 2 } });
    stage.knows(v).forget();
    stage.end('v-1', 'failed');
    stage.end('v-2', 'stopped');
    expect(stage.toldTo(stage.monitor)).to.deep.equal([
      { type: 'monitor.instance-gone', instanceId: 'w1/v-1' },
      { type: 'monitor.instance-gone', instanceId: 'w1/v-2' },
    ]);
    expect(stage.counted('infaas_instances_failed_total')).to.equal(1);
  });

  it('has its model released by the engine, in case that outlived it', () => {
    const stage = new WorkerStage({ preload: { v: 2 } });
    stage.knows(v).forget();
    stage.end('v-1', 'stopped');
    stage.end('v-2', 'failed');
    expect(stage.toldTo(stage.engine)).to.deep.equal([
      { type: 'engine.unload-variant', instanceId: 'w1/v-2' },
    ]);
  });
});

describe('a worker that unloads a variant', () => {
  it('drains its instances and wants them no more', () => {
    const stage = new WorkerStage({ preload: { v: 2 } });
    stage.knows(v).forget();
    stage.send({ type: 'worker.unload-variant', variantId: 'v' });
    expect(stage.toldInstance('v-1')).to.deep.equal(['instance.drain']);
    expect(stage.toldInstance('v-2')).to.deep.equal(['instance.drain']);
    stage.end('v-1', 'stopped');
    stage.end('v-2', 'stopped');
    stage.knows(v);
    expect(stage.loads).to.have.length(2);
  });

  it('does so when the registry has it no more, once', () => {
    const stage = new WorkerStage();
    stage.knows(v).send(load('v')).forget();
    stage.knows(variantOf('other')).knows(variantOf('other'));
    expect(stage.toldInstance('v-1')).to.deep.equal(['instance.drain']);
  });
});
