/** Profiles that have become stale: marked, measured anew, recorded; and let be for a while. */

import { expect } from 'chai';

import type { ControllerMessage } from '../../../actors/controller/protocol.ts';
import { emptyFamily, type Family } from '../../../actors/domain/family.ts';
import { localPrincipal } from '../../../actors/domain/principal.ts';
import type { Variant } from '../../../actors/domain/variant.ts';
import { registrarSpec } from '../../../actors/registrar/behaviour.ts';
import type { ProfilerMessage } from '../../../actors/registrar/profiler-port.ts';
import type {
  RegisterOutcome,
  RegistrarMessage,
  WorkerSeen,
} from '../../../actors/registrar/protocol.ts';
import type { StepCommand, StepOutcome } from '../../../actors/registrar/steps-port.ts';
import { refOf } from '../../../runtime/actor.ts';
import { anySpec, Recording } from '../../support/recording-context.ts';
import { registrarLimits } from '../../support/registrar-limits.ts';
import { perQuery, variantOf } from '../../support/variants.ts';

const controller = refOf<ControllerMessage>('controller', 1, '/controller');
const steps = refOf<StepCommand>('controller', 1, '/steps');
const everyMs = 10_000;
const core = { kind: 'cpu', units: 1, memoryBytes: 1e9, costUsdPerUnitHour: 1 } as const;
const profilerOf = (workerId: string) => refOf<ProfilerMessage>(workerId, 3, '/profiler');
const profile = {
  ...{ loadMs: 1, memoryBytes: 10, latency: perQuery(30), measuredOn: 'here' },
  provenance: { cpu: 'c', cores: 1, runtime: 'r', date: 'd', samples: 1, spread: 0 },
};

class DriftStage extends Recording<unknown, RegistrarMessage> {
  constructor(...variants: readonly Variant[]) {
    const config = registrarLimits;
    super(anySpec(registrarSpec({ controller, steps, mailboxMax: 100, config })));
    const families = variants.map((one): Family => {
      return { ...emptyFamily(one.architecture), variants: [one] };
    });
    this.send({ type: 'registrar.registry-changed', revision: 1, families });
  }

  /** The worker's monitor tells how far off each variant is. */
  drifts(ratios: Readonly<Record<string, number>>, utilisation = 0): this {
    const drifts = Object.entries(ratios).map(([variantId, ratio]) => {
      return { variantId, ratio, stale: ratio > 1.5 };
    });
    return this.sees({ drifts, utilisation });
  }

  sees(seen: Partial<WorkerSeen>): this {
    const idle = { workerId: 'w1', everyMs, drifts: [], hardware: [core], utilisation: 0 };
    return this.send({
      ...{ type: 'registrar.worker-seen', profiler: undefined, ...idle, ...seen },
    });
  }

  /** On whose machine it is to be measured. */
  get profiler(): string | undefined {
    const step = this.toldTo(steps).findLast(({ type }) => type === 'steps.run-step');
    return step?.type === 'steps.run-step' ? step.profiler?.node : undefined;
  }

  /** Stores what was to be recorded; gives it. */
  store(): Variant | undefined {
    const message = this.toldTo(controller).at(-1);
    if (message?.type !== 'controller.record-family') throw new Error('nothing was to be recorded');
    const { requestId = '', family } = message;
    this.forget().send({ type: 'registrar.family-stored', requestId });
    return family.variants[0];
  }

  /** Ends the step that was asked for; gives which file was to be measured. */
  measure(outcome: Partial<StepOutcome> = {}): string {
    const step = this.toldTo(steps).find(({ type }) => type === 'steps.run-step');
    if (step?.type !== 'steps.run-step' || step.step.kind !== 'profile') throw new Error('no step');
    const { registrationId, number } = step;
    const report = { profile, batchMax: 8 };
    this.forget().send({
      ...{ type: 'registrar.step-ended', registrationId, number },
      outcome: { ok: true, report, ...outcome } as StepOutcome,
    });
    const { model } = step.step;
    return model.of === 'kept' ? model.file.path : model.of;
  }

  get asked(): number {
    return this.toldTo(steps).filter(({ type }) => type === 'steps.run-step').length;
  }
}

describe('a profile that has become stale', () => {
  it('is marked, measured anew from the file that is kept, and recorded', () => {
    const stage = new DriftStage(variantOf('v')).drifts({ v: 2 });
    expect(stage.store()?.stale).to.match(/2.00 times on w1/);
    expect(stage.measure()).to.equal('v.onnx');
    expect(stage.store()).to.deep.include({ profile, stale: undefined });
  });

  it('is measured on the idlest worker that may, else beside the controller', () => {
    const profiled = (...others: readonly Partial<WorkerSeen>[]): string | undefined => {
      const stage = new DriftStage(variantOf('v'));
      for (const [at, seen] of others.entries()) {
        const workerId = `w${at + 2}`;
        stage.sees({ workerId, profiler: profilerOf(workerId), ...seen });
      }
      stage.drifts({ v: 2 }).store();
      return stage.profiler;
    };
    expect(profiled()).to.equal(undefined);
    expect(profiled({ utilisation: 0.05 }, {})).to.equal('w3');
    expect(profiled({ utilisation: 0.5 })).to.equal(undefined);
    expect(profiled({ profiler: undefined })).to.equal(undefined);
  });

  it('waits for a worker to be less busy', () => {
    const stage = new DriftStage(variantOf('v')).sees({ utilisation: 0.9 });
    stage.forget().drifts({ v: 2 }, 0.9);
    expect(stage.toldTo(controller)).to.deep.equal([]);
    stage.sees({ utilisation: 0.05 });
    expect(stage.store()?.stale).to.match(/2.00 times on w1/);
  });

  it('is not measured on a worker that has fallen silent', () => {
    const stage = new DriftStage(variantOf('v'));
    stage.sees({ workerId: 'w2', profiler: profilerOf('w2') }).advance(3 * everyMs + 1);
    stage.drifts({ v: 2 }).store();
    expect(stage.profiler).to.equal(undefined);
  });

  it('is left where nothing is off', () => {
    expect(new DriftStage(variantOf('v')).drifts({ v: 1.2 }).toldTo(controller)).to.have.length(1);
  });

  it('is measured one after another', () => {
    const stage = new DriftStage(variantOf('v'), variantOf('w')).drifts({ v: 2, w: 2 });
    stage.store();
    expect(stage.asked).to.equal(1);
    stage.measure();
    expect(stage.store()?.id).to.equal('v');
    expect(stage.store()).to.include({ id: 'w' }).and.have.property('stale');
  });

  it('is let be for a while afterwards, twice as long when it is off again', () => {
    const stage = new DriftStage(variantOf('v')).drifts({ v: 2 });
    const againAfter = (ms: number): boolean => {
      stage.advance(ms).drifts({ v: 2 });
      if (stage.toldTo(controller).length === 0) return false;
      stage.store();
      stage.measure();
      stage.store();
      stage.forget();
      return true;
    };
    stage.store();
    stage.measure();
    stage.store();
    stage.forget();
    const waited = [1, 590_000, 10_000, 1_000_000, 200_000].map(againAfter);
    expect(waited).to.deep.equal([false, false, true, false, true]);
  });

  it('stays marked when it cannot be measured, and everything else goes on', () => {
    const stage = new DriftStage(variantOf('v'), variantOf('w')).drifts({ v: 2, w: 2 });
    stage.store();
    const error = { code: 'internal', message: 'no', retryable: true, details: {} } as const;
    stage.measure({ ok: false, error });
    expect(stage.store()?.id).to.equal('w');
  });

  it('is measured after a restart that came in between', () => {
    const stage = new DriftStage(variantOf('v', { stale: 'it was off' }));
    expect(stage.store()?.stale).to.equal('it was off');
    expect(stage.measure()).to.equal('v.onnx');
  });

  it('is not brought back by the manifest at the next start', () => {
    const stage = new DriftStage({ ...variantOf('v'), profile });
    const replyTo = refOf<RegisterOutcome>('controller', 1, '/submitter');
    const given = { type: 'registrar.register-model', principal: localPrincipal } as const;
    stage.send({ ...given, variant: variantOf('v'), replyTo });
    expect(stage.toldTo(replyTo).at(-1)).to.include({ changed: false });
    stage.send({ ...given, variant: variantOf('v', { accuracy: 91 }), replyTo });
    expect(stage.toldTo(replyTo).at(-1)).to.include({ changed: true });
  });
});
