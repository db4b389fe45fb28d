/** What a dispatcher refuses, with which code, and that it tells what there is instead. */

import { expect } from 'chai';

import { DispatcherStage, gatewayRef, type RequestParts } from '../../support/dispatcher-stage.ts';
import { pairs, variantOf } from '../../support/variants.ts';

function ready(config = {}): DispatcherStage {
  const stage = new DispatcherStage(config);
  return stage.knows(variantOf('v', { dataset: 'one' })).report('w1', { 'v-1': {} });
}

describe('a dispatcher refuses', () => {
  const task = (name: string, dataset?: string): RequestParts => ({
    selector: { by: 'task', task: name, dataset },
  });
  const refusals: readonly (readonly [string, RequestParts, string, RegExp])[] = [
    ['an unknown task, naming those it knows', task('sums'), 'unknown_task', /known: pairs/],
    ['an unknown dataset likewise', task('pairs', 'two'), 'unknown_task', /"two"; known: one/],
    [
      'an unknown architecture likewise',
      { selector: { by: 'architecture', architecture: 'w' } },
      'unknown_architecture',
      /known: v$/,
    ],
    [
      'an unknown variant likewise',
      { selector: { by: 'variant', variant: 'w' } },
      'unknown_variant',
      /known: v$/,
    ],
    ['a missing input', { inputs: {} }, 'bad_input', /input "x"/],
    ['an output that there is not', { outputs: ['y', 'z'] }, 'bad_input', /"z"; known: y/],
    ['a name of Object’s as output', { outputs: ['toString'] }, 'bad_input', /"toString"/],
    ['too large a batch of the client’s', { inputs: pairs(9) }, 'too_large', /limit of 8/],
    ['an accuracy nobody has', { slo: { accuracyMin: 99 } }, 'slo_infeasible', /best has 90/],
    ['what it cannot answer in time', { timeoutMs: 0 }, 'deadline_exceeded', /timeoutMs 0/],
  ];
  for (const [what, parts, code, message] of refusals) {
    it(what, () => {
      const stage = ready().submit('q1', parts);
      expect(stage.answers).to.deep.equal([`q1 ${code}`]);
      expect(stage.allAnswers[0]).to.have.nested.property('error.message').match(message);
      expect(stage.placed).to.deep.equal([]);
    });
  }

  it('a task without its dataset where there are several', () => {
    const stage = ready();
    stage.knows(variantOf('v', { dataset: 'one' }), variantOf('w', { dataset: 'two' }));
    stage.submit('q1').submit('q2', task('pairs', 'one'));
    expect(stage.answers).to.deep.equal(['q1 bad_input']);
    expect(stage.placed).to.deep.equal(['q2#1 w1/v-1']);
  });

  it('every query while there is no worker', () => {
    const stage = new DispatcherStage().knows(variantOf('v')).submit('q1');
    expect(stage.answers).to.deep.equal(['q1 unavailable']);
  });

  it('more queries at once than it may hold, until one is answered', () => {
    const stage = ready({ inFlightMax: 2 }).submit('q1').submit('q2').submit('q3');
    expect(stage.answers).to.deep.equal(['q3 overloaded']);
    stage.finish('q1').submit('q4');
    expect(stage.placed).to.deep.equal(['q1#1 w1/v-1', 'q2#1 w1/v-1', 'q4#1 w1/v-1']);
  });

  it('more queries of a tenant than it may have, and no other’s', () => {
    const stage = ready({ inFlightPerTenantMax: 1 });
    stage.submit('q1', { tenant: 'a' }).submit('q2', { tenant: 'a' }).submit('q3', { tenant: 'b' });
    expect(stage.answers).to.deep.equal(['q2 overloaded']);
    stage.finish('q1').submit('q4', { tenant: 'a' });
    expect(stage.answers).to.deep.equal(['q2 overloaded', 'q1 ok']);
  });

  it('in words of its own what its mailbox cannot take, or it could not handle', () => {
    const stage = ready().submit('q1');
    const { message } = stage.told[0]!;
    const submit = { ...(message as object), type: 'dispatcher.submit-query' };
    const reasons = {
      'mailbox-full': 'overloaded',
      'actor-stopped': 'unavailable',
      'actor-failed': 'internal',
    } as const;
    for (const [reason, code] of Object.entries(reasons)) {
      const refusal = stage.spec.refuse?.(submit as never, reason as keyof typeof reasons);
      expect(refusal?.message).to.deep.include({ type: 'gateway.query-answered', queryId: 'q1' });
      expect(refusal?.message).to.have.nested.property('answer.error.code', code);
    }
  });

  it('what is asked besides in words of its own too', () => {
    const { spec } = ready();
    for (const what of ['explain-query', 'quote-query', 'describe-fleet']) {
      const asked = { type: `dispatcher.${what}`, requestId: 'r1', replyTo: gatewayRef };
      const refusal = spec.refuse?.(asked as never, 'mailbox-full');
      expect(refusal?.message).to.deep.include({ requestId: 'r1' });
      expect(refusal?.message).to.have.nested.property('outcome.code', 'overloaded');
    }
  });

  it('what is in flight when it shuts down', () => {
    const stage = ready().submit('q1').submit('q2').finish('q1');
    stage.shutDown();
    expect(stage.answers).to.deep.equal(['q1 ok', 'q2 unavailable']);
  });
});
