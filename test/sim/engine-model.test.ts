/** The modelled engine: it loads, runs, shares its cores, fails and dies like the real one. */

import { expect } from 'chai';

import type { EngineEvent } from '../../actors/instance/engine-port.ts';
import { seededRandom } from '../../runtime/random.ts';
import { chanceOfFault, EngineModel, type EngineModelOptions } from '../../sim/engine-model.ts';
import { createSimulation } from '../../sim/sim-host.ts';
import { pairs, perQuery, statefulSignature, variantOf } from '../support/variants.ts';

const v = variantOf('v', { loadMs: 100, latency: perQuery(10), signature: statefulSignature });

class EngineStage {
  readonly simulation = createSimulation({ seed: 1 });
  readonly host = this.simulation.host('w1');
  readonly events: string[] = [];
  readonly last: EngineEvent[] = [];
  readonly engine: EngineModel;
  private readonly replyTo = this.host.port<EngineEvent>('instance', (event) => {
    this.last.push(event);
    const id = 'batchId' in event ? ` ${event.batchId}` : '';
    this.events.push(`${this.simulation.nowMs()} ${event.type.replace('instance.', '')}${id}`);
  });

  constructor(options: Partial<EngineModelOptions> = {}) {
    const { host } = this;
    const random = seededRandom(1);
    this.engine = new EngineModel({ host, clock: host.clock, random, cores: 1, ...options });
  }

  load(...instanceIds: readonly string[]): this {
    for (const instanceId of instanceIds) {
      const type = 'engine.load-variant';
      this.host.tell(this.engine.port, { type, instanceId, variant: v, replyTo: this.replyTo });
    }
    return this;
  }

  runBatch(instanceId: string, batchId: number, batch = 1, dueMs = 0, late = false): this {
    const queries = [{ inputs: pairs(batch), batch, outputs: undefined }];
    const type = 'engine.run-batch';
    this.host.tell(this.engine.port, {
      type,
      instanceId,
      batchId,
      queries,
      priority: 0,
      dueMs,
      late,
      hangMs: 500,
    });
    return this;
  }

  unload(instanceId: string): this {
    this.host.tell(this.engine.port, { type: 'engine.unload-variant', instanceId });
    return this;
  }

  until(ms: number): this {
    this.simulation.run(ms);
    return this;
  }
}

describe('the modelled engine', () => {
  it('loads and runs as long as the profile says', () => {
    const stage = new EngineStage().load('a').until(100).runBatch('a', 1, 4).until(1_000);
    expect(stage.events).to.deep.equal(['100 variant-loaded', '140 batch-ran 1']);
    expect(stage.last[0]).to.deep.include({ measured: [{ batch: 1, ms: 10 }] });
    expect(stage.last[1]).to.include({ inferMs: 40 });
  });

  it('answers with the declared outputs, or with those that are wanted', () => {
    const stage = new EngineStage().load('a').until(100).runBatch('a', 1, 2).until(1_000);
    const ran = stage.last[1];
    expect(ran?.type === 'instance.batch-ran' && ran.results[0]).to.deep.equal({
      y: { datatype: 'FP32', shape: [2, 1], data: new Uint8Array(8) },
      hn: { datatype: 'FP32', shape: [2, 3], data: new Uint8Array(24) },
    });
  });

  it('draws the noise of batches, and of batches alone, from the quantiles it is given', () => {
    const stage = new EngineStage({ noise: [1, 2, 4] }).load('a').until(100);
    const times = Array.from({ length: 400 }, (_, at) => {
      stage.runBatch('a', at).until(200 + 100 * at);
      const ran = stage.last.at(-1);
      return ran?.type === 'instance.batch-ran' ? ran.inferMs : NaN;
    }).sort((a, b) => a - b);
    expect(stage.events[0]).to.equal('100 variant-loaded');
    expect(times[0]).to.be.within(10, 10.5);
    expect(times[200]).to.be.within(18, 22);
    expect(times[399]).to.be.within(39, 40);
  });

  it('is slower by its slowdown and varies by its spread, the same for the same seed', () => {
    const times = (seed: number): string[] =>
      new EngineStage({ slowdown: 2, spread: 0.5, random: seededRandom(seed) })
        .load('a')
        .until(1_000)
        .runBatch('a', 1)
        .until(5_000).events;
    expect(times(1)).to.deep.equal(times(1));
    expect(times(1)).to.not.deep.equal(times(2));
    const loadMs = Number(times(1)[0]?.split(' ')[0]);
    expect(loadMs).to.be.within(100, 300);
  });

  it('runs batches of several instances one after the other on one core', () => {
    const stage = new EngineStage().load('a', 'b').until(100);
    stage.runBatch('a', 1).runBatch('b', 2).until(1_000);
    expect(stage.events.slice(2)).to.deep.equal(['110 batch-ran 1', '120 batch-ran 2']);
    const two = new EngineStage({ cores: 2 }).load('a', 'b').until(100);
    two.runBatch('a', 1).runBatch('b', 2).until(1_000);
    expect(two.events.slice(2).map((event) => event.split(' ')[0])).to.deep.equal(['110', '110']);
  });

  it('unloads at once, or when the load is over', () => {
    const stage = new EngineStage().load('a', 'b').until(50).unload('a').until(200).unload('b');
    stage.unload('unknown').until(300);
    expect(stage.events.slice(0, 3).sort()).to.deep.equal([
      '100 variant-loaded',
      '100 variant-loaded',
      '100 variant-unloaded',
    ]);
    expect(stage.events[3]).to.equal('200 variant-unloaded');
    expect(stage.engine.loaded).to.deep.equal([]);
  });

  it('loses all that it holds with a crash, and what was under way never ends', () => {
    const stage = new EngineStage().load('a').until(100).load('b').runBatch('a', 1).until(105);
    stage.engine.crash('killed');
    stage.until(1_000);
    expect(stage.events.slice(1)).to.deep.equal(['105 engine-lost', '105 engine-lost']);
    stage.load('c').until(2_000).runBatch('c', 2).until(3_000);
    expect(stage.events.slice(3)).to.deep.equal(['1100 variant-loaded', '2010 batch-ran 2']);
  });

  it('fails, hangs and crashes as it is told to', () => {
    const faults = ['fails', 'hangs', 'crashes'] as const;
    const ends = faults.map((fault) => {
      const stage = new EngineStage({ faultOf: () => fault });
      return stage.load('a').until(100).runBatch('a', 1).until(2_000).events[1];
    });
    expect(ends).to.deep.equal(['110 batch-failed 1', '600 engine-lost', '110 engine-lost']);
    const unloadable = new EngineStage({ loadFaultOf: () => 'no such file' });
    expect(unloadable.load('a').until(2_000).events).to.deep.equal(['100 load-failed']);
    expect(unloadable.engine.loaded).to.deep.equal([]);
  });

  it('draws faults as often as their chances say', () => {
    const chances = { fails: 0.5, hangs: 0.2, crashes: 0.1 };
    const draw = chanceOfFault(seededRandom(3), chances);
    const drawn = Array.from({ length: 10_000 }, draw);
    const shareOf = (fault: string | undefined): number =>
      drawn.filter((each) => each === fault).length / drawn.length;
    expect(shareOf('fails')).to.be.closeTo(0.5, 0.03);
    expect(shareOf('hangs')).to.be.closeTo(0.2, 0.03);
    expect(shareOf('crashes')).to.be.closeTo(0.1, 0.03);
    expect(shareOf(undefined)).to.be.closeTo(0.2, 0.03);
  });
});
