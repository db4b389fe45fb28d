/** The registrar: what it refuses and why, and what it hands on. */

import { expect } from 'chai';

import type { ControllerMessage } from '../../../actors/controller/protocol.ts';
import { localPrincipal } from '../../../actors/domain/principal.ts';
import type { Signature } from '../../../actors/domain/signature.ts';
import type { Variant } from '../../../actors/domain/variant.ts';
import { registrarSpec } from '../../../actors/registrar/behaviour.ts';
import type { RegisterOutcome, RegistrarMessage } from '../../../actors/registrar/protocol.ts';
import { refOf } from '../../../runtime/actor.ts';
import { familiesOf } from '../../../actors/domain/family.ts';
import { registrarLimits } from '../../support/registrar-limits.ts';
import type { StepCommand } from '../../../actors/registrar/steps-port.ts';
import { anySpec, Recording } from '../../support/recording-context.ts';
import {
  pairSignature,
  sharedSignature,
  statefulSignature,
  variantOf,
  type VariantParts,
} from '../../support/variants.ts';

const controller = refOf<ControllerMessage>('controller', 1, '/controller');
const submitter = refOf<RegisterOutcome>('controller', 1, '/submitter');

const options = {
  controller,
  steps: refOf<StepCommand>('controller', 1, '/steps'),
  mailboxMax: 100,
  config: registrarLimits,
};

class RegistrarStage extends Recording<unknown, RegistrarMessage> {
  constructor(...registered: readonly Variant[]) {
    super(anySpec(registrarSpec(options)));
    this.send({
      type: 'registrar.registry-changed',
      revision: 1,
      families: familiesOf(registered),
    });
    this.forget();
  }

  register(variant: Variant): RegisterOutcome {
    const type = 'registrar.register-model';
    this.send({ type, principal: localPrincipal, variant, replyTo: submitter });
    const outcome = this.toldTo(submitter).at(-1);
    if (outcome === undefined) throw new Error('the registrar did not answer');
    return outcome;
  }

  get recorded(): string[] {
    return this.toldTo(controller).map((message) =>
      message.type === 'controller.record-family'
        ? (message.family.variants.at(-1)?.id ?? '')
        : message.type,
    );
  }
}

const wider: Signature = {
  ...pairSignature,
  inputs: { x: { datatype: 'FP32', shape: ['batch', 3] } },
};

describe('the registrar', () => {
  it('attaches itself to the controller, for the registry', () => {
    const stage = new Recording(anySpec(registrarSpec(options)));
    expect(stage.toldTo(controller)).to.deep.equal([
      { type: 'controller.attach-registrar', registrar: stage.self },
    ]);
  });

  it('hands a new variant on and says that it is registered', () => {
    const stage = new RegistrarStage();
    expect(stage.register(variantOf('v'))).to.include({ variantId: 'v', changed: true });
    expect(stage.recorded).to.deep.equal(['v']);
  });

  it('records nothing for a variant that is registered just so', () => {
    const stage = new RegistrarStage(variantOf('v'));
    expect(stage.register(variantOf('v'))).to.include({ variantId: 'v', changed: false });
    expect(stage.recorded).to.deep.equal([]);
    expect(stage.register(variantOf('v', { accuracy: 91 }))).to.include({ changed: true });
    expect(stage.recorded).to.deep.equal(['v']);
  });

  it('forgets what the controller’s registry has no more', () => {
    const stage = new RegistrarStage(variantOf('v'));
    stage.send({ type: 'registrar.registry-changed', revision: 2, families: [] });
    expect(stage.register(variantOf('w', { signature: wider }))).to.include({ changed: true });
  });

  const shared = { ...pairSignature.inputs['x']!, shared: true };
  const refusals: readonly (readonly [string, VariantParts & { id?: string }, string, RegExp])[] = [
    ['an id that is no name', { id: '../v' }, 'id', /no name/],
    ['a task that is no name', { task: 'two words' }, 'task', /no name/],
    ['an empty dataset', { dataset: '' }, 'dataset', /no name/],
    ['an accuracy over 100', { accuracy: 101 }, 'accuracy', /no percentage/],
    ['an accuracy that is no number', { accuracy: NaN }, 'accuracy', /no percentage/],
    ['a profile without a latency', { latency: [] }, 'profile', /no measured latency/],
    [
      'a profile with the same batch twice',
      { latency: [1, 1].map((batch) => ({ batch, ms: 5 })) },
      'profile',
      /ascending/,
    ],
    ['a latency of nothing', { latency: [{ batch: 1, ms: 0 }] }, 'profile', /ascending/],
    [
      'a shared input with a batch axis',
      { signature: { ...pairSignature, inputs: { x: shared } } },
      'signature',
      /"x" is shared and yet has a batch axis/,
    ],
    [
      'state that no output carries on',
      { signature: { ...statefulSignature, outputs: pairSignature.outputs } },
      'signature',
      /"h" is carried by output "hn", which is missing/,
    ],
    [
      'an adapter for an input that there is not',
      { adapter: { inputs: { z: 'graph-z' } } },
      'adapter',
      /inputs "z" is not in the signature/,
    ],
  ];
  for (const [what, parts, field, message] of refusals) {
    it(`refuses ${what}, naming the field`, () => {
      const stage = new RegistrarStage();
      const outcome = stage.register(variantOf(parts.id ?? 'v', parts));
      if (outcome.type !== 'registrar.model-refused') throw new Error('it was registered');
      expect(outcome.error.code).to.equal('bad_input');
      expect(outcome.error.details).to.deep.equal({ field });
      expect(outcome.error.message).to.match(message);
      expect(stage.recorded).to.deep.equal([]);
    });
  }

  const known = variantOf('v', { architecture: 'a' });
  const misfits: readonly (readonly [string, VariantParts, RegExp])[] = [
    ['another shape than its task', { signature: wider }, /does not fit task "pairs"/],
    ['an input more than its task', { signature: sharedSignature }, /"rate" is not in the task/],
    [
      'other state than its architecture',
      { architecture: 'a', signature: statefulSignature },
      /does not fit architecture "a"/,
    ],
    ['another task than its architecture', { architecture: 'a', task: 'else' }, /another task/],
  ];
  for (const [what, parts, message] of misfits) {
    it(`refuses a variant with ${what}`, () => {
      const outcome = new RegistrarStage(known).register(variantOf('w', parts));
      expect(outcome).to.have.nested.property('error.message').match(message);
    });
  }

  it('takes carried state for no part of the task', () => {
    const outcome = new RegistrarStage(known).register(
      variantOf('w', { signature: statefulSignature }),
    );
    expect(outcome).to.include({ type: 'registrar.model-registered' });
  });

  it('lets the only variant of a task change its signature', () => {
    const stage = new RegistrarStage(known);
    const outcome = stage.register({ ...known, signature: wider });
    expect(outcome).to.include({ type: 'registrar.model-registered', changed: true });
  });
});
