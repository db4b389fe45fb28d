/** The fleet as a dispatcher describes it: tasks, architectures, variants, workers, instances. */

import { expect } from 'chai';

import type { GatewayMessage, WantedDescription } from '../../../actors/dispatcher/protocol.ts';
import type { FleetDescription } from '../../../actors/domain/fleet-description.ts';
import { localPrincipal } from '../../../actors/domain/principal.ts';
import { DispatcherStage, gatewayRef } from '../../support/dispatcher-stage.ts';
import { mebibyte, statefulSignature, variantOf } from '../../support/variants.ts';

function describeBy(stage: DispatcherStage, wanted?: WantedDescription): FleetDescription {
  stage.send({
    type: 'dispatcher.describe-fleet',
    requestId: 'r1',
    wanted,
    principal: localPrincipal,
    replyTo: gatewayRef,
  });
  const answer: GatewayMessage | undefined = stage.toldTo(gatewayRef).at(-1);
  if (answer?.type !== 'gateway.fleet-described') throw new Error('it did not answer');
  expect(answer.requestId).to.equal('r1');
  if ('code' in answer.outcome) throw new Error(answer.outcome.message);
  return answer.outcome;
}

describe('the description of the fleet', () => {
  const stage = new DispatcherStage();
  stage.knows(
    variantOf('small', { accuracy: 90 }),
    variantOf('large', { accuracy: 99, signature: statefulSignature }),
    variantOf('other', { task: 'sums' }),
  );
  stage.report('w1', { 'small-1': { state: 'loading' }, 'large-1': { rateQps: 7, queued: 2 } }, 4);
  const description = describeBy(stage);

  it('holds what is wanted alone, of one architecture where one is named', () => {
    const some = describeBy(stage, { parts: ['variants'], architecture: 'small' });
    expect(some.variants.map(({ name }) => name)).to.deep.equal(['small']);
    expect({ ...some, variants: [] }).to.deep.equal({
      ...{ tasks: [], architectures: [], variants: [], workers: [], instances: [] },
    });
    const none = describeBy(stage, { parts: ['architectures'], architecture: 'nobody' });
    expect(none.architectures).to.deep.equal([]);
  });

  it('names each task with its datasets, their architectures and accuracies', () => {
    const [pairs] = description.tasks.filter(({ name }) => name === 'pairs');
    expect(pairs?.datasets).to.deep.equal([
      { name: 'test', architectures: ['large', 'small'], accuracyMin: 90, accuracyMax: 99 },
    ]);
    expect(description.tasks.map(({ name }) => name).sort()).to.deep.equal(['pairs', 'sums']);
  });

  it('shows a task’s tensors, variable dimensions as −1 and state not at all', () => {
    const [pairs] = description.tasks.filter(({ name }) => name === 'pairs');
    expect(pairs?.inputs).to.deep.equal([
      { name: 'x', datatype: 'FP32', shape: [-1, 2], shared: false },
    ]);
    expect(pairs?.outputs.map(({ name }) => name)).to.deep.equal(['y']);
  });

  it('shows the state that an architecture’s client carries', () => {
    const [large] = description.architectures.filter(({ name }) => name === 'large');
    expect(large?.inputs[1]).to.include({ name: 'h', state: 'hn' });
    expect(large).to.deep.include({ task: 'pairs', dataset: 'test', variants: ['large'] });
  });

  it('shows for each variant whether something serves it', () => {
    const states = description.variants.map(({ name, state, instances }) => [
      name,
      state,
      instances,
    ]);
    expect(states).to.deep.equal([
      ['small', 'loading', 1],
      ['large', 'loaded', 1],
      ['other', 'inactive', 0],
    ]);
    expect(description.variants[0]).to.deep.include({
      latencyMs: variantOf('small').profile.latency,
      memoryBytes: mebibyte,
      loadMs: 100,
    });
  });

  it('shows workers and instances as they were last reported', () => {
    expect(description.workers).to.have.length(1);
    expect(description.workers[0]).to.include({ name: 'w1', epoch: 4, instances: 2 });
    const [small, large] = description.instances;
    expect(small).to.include({ name: 'w1/small-1', variant: 'small', state: 'loading' });
    expect(large).to.include({ worker: 'w1', rateQps: 7, queued: 2 });
  });
});
