/** What an answer says: who served, where the time went, what was met and what it cost. */

import { expect } from 'chai';

import type { QueryServed } from '../../../actors/domain/query.ts';
import { DispatcherStage, type RequestParts } from '../../support/dispatcher-stage.ts';
import { pairs, variantOf } from '../../support/variants.ts';

const y = { datatype: 'FP32', shape: [1, 1], data: new Uint8Array(4) } as const;

function served(parts: RequestParts, afterMs: number, batchSize = 4): QueryServed {
  const stage = new DispatcherStage().knows(variantOf('v')).report('w1', { 'v-1': {} });
  stage.submit('q1', { receivedAgoMs: 3, ...parts }).advance(afterMs);
  stage.finish('q1', {
    ok: true,
    outputs: { y },
    batchSize,
    batchReason: 'full',
    queueMs: 5,
    inferMs: 12,
  });
  const [answer] = stage.allAnswers;
  if (answer?.ok !== true) throw new Error('it was refused');
  return answer;
}

describe('an answer', () => {
  it('has the outputs, who served it, and why', () => {
    const answer = served({}, 20);
    expect(answer.outputs).to.deep.equal({ y });
    expect(answer.servedBy).to.deep.equal({
      task: 'pairs',
      dataset: 'test',
      architecture: 'v',
      variant: 'v',
      worker: 'w1',
      instance: 'w1/v-1',
      hardware: 'cpu',
      batchSize: 4,
      accuracy: 90,
    });
    expect(answer.decision.reason).to.match(/cheapest loaded variant/);
  });

  it('says where its time went, and the parts are the whole', () => {
    expect(served({}, 20).timing).to.deep.equal({
      totalMs: 23,
      decideMs: 3,
      networkMs: 3,
      queueMs: 5,
      inferMs: 12,
    });
  });

  it('meets its SLO to the last, counted from when the gateway had it', () => {
    const slo = { latencyMs: 23 };
    expect(served({ slo }, 20).slo).to.deep.equal({ met: true, missed: [] });
    expect(served({ slo }, 21).slo).to.deep.equal({ met: false, missed: ['latencyMs'] });
    expect(served({}, 20_000).slo).to.deep.equal({ met: true, missed: [] });
  });

  it('costs its share of the batch on the worker’s hardware', () => {
    const hourly = 0.05;
    const whole = (12 / 3_600_000) * hourly;
    expect(served({}, 20).costUsd).to.be.closeTo(whole / 4, 1e-15);
    expect(served({ inputs: pairs(3) }, 20).costUsd).to.be.closeTo((3 * whole) / 4, 1e-15);
  });
});
