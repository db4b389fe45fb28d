/** A registration step by step: what it asks for, what it records when, and what refuses it. */

import { expect } from 'chai';

import type { ControllerMessage } from '../../../actors/controller/protocol.ts';
import { type Family, gatherFamilies } from '../../../actors/domain/family.ts';
import { localPrincipal, type Principal } from '../../../actors/domain/principal.ts';
import { registrarSpec } from '../../../actors/registrar/behaviour.ts';
import type { ProfilerMessage } from '../../../actors/registrar/profiler-port.ts';
import type { RegistrarMessage, RegistrationEvent } from '../../../actors/registrar/protocol.ts';
import type { StepCommand, StepKind, Steps } from '../../../actors/registrar/steps-port.ts';
import { queryError } from '../../../actors/domain/outcome.ts';
import { refOf } from '../../../runtime/actor.ts';
import { registrarLimits } from '../../support/registrar-limits.ts';
import { anySpec, Recording } from '../../support/recording-context.ts';
import { pairSignature, variantOf } from '../../support/variants.ts';

const controller = refOf<ControllerMessage>('controller', 1, '/controller');
const steps = refOf<StepCommand>('controller', 1, '/steps');
const asker = refOf<RegistrationEvent>('gateway', 1, '/desk');
const manifest = { task: 't', dataset: 'd', architecture: 'ours', file: 'model.onnx' };
const recipe = { dims: {}, scalars: {}, integers: 'bits' } as const;
/** A profile that none of another variant beats, or is beaten by, in every respect. */
const profileOf = (ms: number, memoryBytes: number, fileBytes = memoryBytes) => ({
  ...{ loadMs: 1, memoryBytes, fileBytes, measuredOn: 'here' },
  latency: [{ batch: 1, ms }],
});

class Stage extends Recording<unknown, RegistrarMessage> {
  constructor(families: readonly Family[] = []) {
    const config = registrarLimits;
    super(anySpec(registrarSpec({ controller, steps, mailboxMax: 100, config })));
    this.send({ type: 'registrar.registry-changed', revision: 1, families }).forget();
  }

  register(architecture = 'ours', principal: Principal = localPrincipal, more = {}): this {
    return this.send({
      ...{ type: 'registrar.register-family', requestId: 'r', principal, uploadId: 'upload' },
      ...{ manifest: { ...manifest, architecture, ...more }, replyTo: asker },
      options: { generate: true, profile: true },
    });
  }

  /** Answers the step that it waits for, which must be of this kind. */
  step<K extends StepKind>(kind: K, report: Steps[K]['gives'] | { readonly error: string }): this {
    const asked = this.toldTo(steps).at(-1);
    if (asked?.type !== 'steps.run-step') throw new Error(`it asked for ${String(asked?.type)}`);
    expect(asked.step.kind).to.equal(kind);
    const { registrationId, number } = asked;
    const outcome =
      'error' in report
        ? ({ ok: false, error: queryError('bad_input', report.error) } as const)
        : ({ ok: true, report } as const);
    return this.send({ type: 'registrar.step-ended', registrationId, number, outcome });
  }

  /** What was recorded last, told to be durable. */
  stored(): Family {
    const told = this.toldTo(controller).at(-1);
    if (told?.type !== 'controller.record-family') throw new Error('nothing was recorded');
    const requestId = told.requestId ?? '';
    this.send({ type: 'registrar.family-stored', requestId });
    return told.family;
  }

  first(candidates: readonly string[] = []): this {
    this.step('read', { sourceDigest: 'abc', precision: 'fp32', candidates, notPlanned: [] });
    this.step('check', { signature: pairSignature, recipe, batchMax: undefined });
    this.step('profile', { profile: profileOf(2, 100), batchMax: 64 });
    return this.step('keep', { path: '/m', sha256: 'abc', bytes: 100 });
  }

  /** An idle worker of a type of machine, or how much it is used now. */
  worker(workerId: string, machine: string, utilisation = 0): this {
    const profiler = refOf<ProfilerMessage>(workerId, 0, '/profiler');
    const slot = { kind: 'cpu', units: 1, memoryBytes: 1, costUsdPerUnitHour: 1, machine } as const;
    const seen = { workerId, utilisation, profiler, hardware: [slot], drifts: [], everyMs: 1e6 };
    return this.send({ type: 'registrar.worker-seen', ...seen });
  }

  /** Whose machines models were measured on, in turn. */
  get measuredOn(): (string | undefined)[] {
    return this.toldTo(steps).flatMap((told) =>
      told.type === 'steps.run-step' && told.step.kind === 'profile' ? [told.profiler?.node] : [],
    );
  }

  get answer(): RegistrationEvent | undefined {
    return this.toldTo(asker).at(-1);
  }

  get recorded(): number {
    return this.toldTo(controller).filter(({ type }) => type === 'controller.record-family').length;
  }
}

const names = ({ variants }: Family): string[] => variants.map(({ id }) => id);

describe('a registration', () => {
  it('records the first variant when it is measured, and the family when all is judged', () => {
    const stage = new Stage().register().first(['int8-static', 'fp32-all', 'int4-weights']);
    const serving = stage.stored();
    expect(names(serving)).to.deep.equal(['ours-fp32']);
    expect(serving).to.include({ version: 1, complete: false });
    stage.step('profile', { profile: profileOf(2, 100), batchMax: 64 });

    stage.step('make', { precision: 'int8-static', machine: undefined });
    stage.step('evaluate', { accuracy: 99, metric: 'top1' });
    stage.step('profile', { profile: profileOf(1, 30), batchMax: 64 });
    stage.step('keep', { path: '/i', sha256: 'def', bytes: 30 });
    expect(names(stage.stored())).to.deep.equal(['ours-fp32', 'ours-int8-static']);

    // Slower, larger and no more accurate than the source.
    stage.step('make', { precision: 'fp32', machine: 'this one' });
    stage.step('evaluate', { accuracy: 100, metric: 'top1' });
    stage.step('profile', { profile: profileOf(3, 200), batchMax: 64 });
    stage.step('make', { error: 'it has no Gemm, MatMul' });
    const family = stage.stored();
    expect(family.complete).to.equal(true);
    expect(family.variants[1]).to.include({ accuracy: 99, accuracyKind: 'agreement' });
    expect(family.refused.map(({ name }) => name)).to.deep.equal([
      'ours-fp32-all',
      'ours-int4-weights',
    ]);
    expect(stage.answer).to.include({ type: 'gateway.family-registered' });
    expect(stage.toldTo(steps).at(-1)).to.include({ type: 'steps.end-registration' });
  });

  for (const [at, kind] of (['read', 'check', 'profile', 'keep'] as const).entries()) {
    it(`records nothing when ${kind} fails`, () => {
      const stage = new Stage().register();
      const good = [
        () => stage.step('read', { sourceDigest: 'a', precision: 'fp32', ...nothing }),
        () => stage.step('check', { signature: pairSignature, recipe, batchMax: undefined }),
        () => stage.step('profile', { profile: profileOf(2, 100), batchMax: 64 }),
      ];
      for (const pass of good.slice(0, at)) pass();
      stage.step(kind, { error: 'it is bad' });
      expect(stage.recorded).to.equal(0);
      expect(stage.answer).to.have.nested.property('error.message', 'it is bad');
    });
  }

  it('changes nothing for the same source, and makes a version of another', () => {
    const ours = { architecture: 'ours', task: 't', dataset: 'd' };
    const families = gatherFamilies([], [variantOf('ours-fp32', ours)]).map((family) => {
      return { ...family, sourceDigest: 'abc', version: 3 };
    });
    const same = new Stage(families).register();
    same.step('read', { sourceDigest: 'abc', precision: 'fp32', ...nothing });
    expect(same.answer).to.have.nested.property('report.changed', false);
    expect(same.recorded).to.equal(0);

    const other = new Stage(families).register();
    other.step('read', { sourceDigest: 'xyz', precision: 'fp32', ...nothing });
    other.step('check', { signature: pairSignature, recipe, batchMax: undefined });
    other.step('profile', { profile: profileOf(2, 100), batchMax: 64 });
    other.step('keep', { path: '/m', sha256: 'xyz', bytes: 100 });
    expect(other.stored()).to.include({ version: 4, sourceDigest: 'xyz' });
  });

  it('is measured on one worker from end to end, but for what is bound to another machine', () => {
    const stage = new Stage().worker('w1', 'x', 0.05).worker('w2', 'y').register();
    stage.first(['fp32-all', 'int8-static']).stored();
    // The idlest by now is another.
    stage.worker('w1', 'x').worker('w2', 'y', 0.1);
    stage.step('profile', { profile: profileOf(2, 100), batchMax: 64 });
    stage.step('make', { precision: 'fp32', machine: 'x' });
    stage.step('evaluate', { accuracy: 100, metric: 'top1' });
    stage.step('profile', { profile: profileOf(3, 200), batchMax: 64 });
    stage.step('make', { precision: 'int8-static', machine: undefined });
    stage.step('evaluate', { accuracy: 100, metric: 'top1' });
    expect(stage.measuredOn).to.deep.equal(['w2', 'w2', 'w1', 'w2']);
  });

  it('says of threads that none are made, and why', () => {
    const generate = { threads: [1, 2] };
    const stage = new Stage().register('ours', localPrincipal, { generate }).first();
    stage.stored();
    stage.step('profile', { profile: profileOf(2, 100), batchMax: 64 });
    const [refused, ...others] = stage.stored().refused;
    expect(refused?.name).to.equal('ours-2-threads');
    expect(refused?.reason).to.match(/every instance runs on one thread/);
    expect(others).to.deep.equal([]);
  });

  it('goes on where it was interrupted: neither makes nor judges anything twice', () => {
    const ours = { architecture: 'ours', task: 't', dataset: 'd' };
    const made = ['ours-fp32', 'ours-int8-static'].map((id) => variantOf(id, ours));
    const families = gatherFamilies([], made).map((family) => {
      const refused = [{ name: 'ours-fp32-all', reason: 'dominated' }];
      return { ...family, sourceDigest: 'abc', complete: false, refused };
    });
    const stage = new Stage(families).register();
    stage.first(['int8-static', 'fp32-all', 'int4-weights']);
    stage.stored();
    stage.step('profile', { profile: profileOf(2, 100), batchMax: 64 });
    stage.step('make', { error: 'it has no Gemm, MatMul' });
    expect(stage.stored().refused.map(({ name }) => name)).to.deep.equal([
      'ours-fp32-all',
      'ours-int4-weights',
    ]);
  });

  it('is refused to whoever may not, while another is under way, and over the limit', () => {
    const reader = { name: 'reader', tenant: 'default', mayRegister: false };
    const stage = new Stage().register('ours', reader);
    expect(stage.answer).to.have.nested.property('error.code', 'unauthorized');
    stage.register().register();
    expect(stage.answer)
      .to.have.nested.property('error.message')
      .match(/"ours" is being/);
    stage.register('b').register('c');
    expect(stage.answer)
      .to.have.nested.property('error.message')
      .match(/2 registrations/);
  });

  it('fails when the store does not answer, and is told of when the registrar restarts', () => {
    const stage = new Stage().register().first();
    stage.forget().advance(registrarLimits.storeMs);
    // What the controller holds of it serves, and its files are not to be collected.
    expect(stage.toldTo(controller).map(({ type }) => type)).to.deep.equal([
      'controller.attach-registrar',
    ]);
    expect(stage.answer).to.have.nested.property('error.code', 'unavailable');
    stage.register('b').restart();
    expect(stage.answer).to.have.nested.property('error.code', 'internal');
  });

  it('waits for the registry before anything is registered', () => {
    const spec = registrarSpec({ controller, steps, mailboxMax: 100, config: registrarLimits });
    const stage = new Recording<unknown, RegistrarMessage>(anySpec(spec));
    stage.send({
      ...{ type: 'registrar.register-family', requestId: 'r', principal: localPrincipal },
      ...{ uploadId: 'upload', manifest, replyTo: asker },
      options: { generate: true, profile: true },
    });
    expect(stage.toldTo(steps)).to.deep.equal([]);
    stage.send({ type: 'registrar.registry-changed', revision: 1, families: [] });
    expect(stage.toldTo(steps)[0]).to.have.nested.property('step.kind', 'read');
  });
});

const nothing = { candidates: [], notPlanned: [] };
