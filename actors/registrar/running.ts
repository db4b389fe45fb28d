/**
 * Scripts at work: each is carried out through the registrar's ports and resumed with what came of
 * what it asked for, until it ends with a family or with a refusal.
 */

import type { Ref } from '../../runtime/actor.ts';
import { describeVariant } from '../domain/describe-variant.ts';
import type { QueryError } from '../domain/outcome.ts';
import type { RegistrationProgress } from '../domain/registration.ts';
import { placeToProfile } from '../policy/profiling/place.ts';
import type { RegisterFamily, RegistrationEvent } from './protocol.ts';
import {
  collectLater,
  type Context,
  objectionToAsker,
  objectionToBegin,
  refuse,
  type Registering,
  type RegistrarOptions,
  type Running,
  store,
  workersHeard,
} from './registering.ts';
import { registrationScript } from './registration.ts';
import {
  RegistrationRefused,
  type Script,
  type ScriptAnswer,
  type ScriptResult,
} from './script.ts';
import type { ProfilerMessage } from './profiler-port.ts';
import type { Step, StepEvent } from './steps-port.ts';

export function begin(registering: Registering, request: RegisterFamily, ctx: Context): void {
  const { options, registry } = registering;
  const error =
    objectionToAsker(request) ?? objectionToBegin(registering, request.manifest.architecture);
  if (error !== undefined) {
    refuse(request, error, ctx);
    return;
  }
  const script = registrationScript(request, registry, options.config, ctx.nowMs);
  runScript(registering, script, request.manifest.architecture, request, ctx);
}

export function runScript(
  registering: Registering,
  script: Script,
  architecture: string,
  request: RegisterFamily | undefined,
  ctx: Context,
): void {
  const { running, outside } = registering;
  outside.named += 1;
  const id = `registration-${outside.named}`;
  const registration: Running = {
    ...{ id, architecture, request, script, startedMs: ctx.nowMs },
    ...{ number: 0, recording: undefined, progress: undefined, profiledOn: undefined },
  };
  running.set(id, registration);
  if (request !== undefined) outside.askers.set(id, request);
  ctx.log.info('registration began', { registration: id, architecture });
  resume(registering, registration, undefined, ctx);
}

/** Goes on with the script until it waits again or has ended. */
function resume(
  registering: Registering,
  registration: Running,
  answer: ScriptAnswer | undefined,
  ctx: Context,
): void {
  const { script, request, id } = registration;
  let next: IteratorResult<Parameters<typeof carryOut>[2], ScriptResult>;
  try {
    // The first call has nothing to answer; what it is given is ignored.
    next = script.next(answer as ScriptAnswer);
  } catch (error) {
    if (!(error instanceof RegistrationRefused)) throw error;
    end(registering, registration, ctx);
    ctx.log.info('registration refused', { registration: id, why: error.message });
    if (request !== undefined) refuse(request, error.error, ctx);
    return;
  }
  if (next.done === true) {
    succeed(registering, registration, next.value, ctx);
    return;
  }
  carryOut(registering, registration, next.value, ctx);
}

function carryOut(
  registering: Registering,
  registration: Running,
  asked: Script extends Generator<infer R> ? R : never,
  ctx: Context,
): void {
  const { options } = registering;
  const { id, request } = registration;
  registration.number += 1;
  const { progress } = asked;
  registration.progress = progress;
  tellProgress(request, progress, ctx);
  if (asked.do === 'step') {
    ctx.tell(options.steps, {
      type: 'steps.run-step',
      registrationId: id,
      number: registration.number,
      step: asked.step,
      profiler: profilerFor(registering, registration, asked.step, ctx.nowMs),
      replyTo: ctx.self,
    });
    return;
  }
  registration.recording = asked.family;
  store(options, asked.family, `${id}/${registration.number}`, ctx);
}

function profilerFor(
  registering: Registering,
  registration: Running,
  step: Step,
  nowMs: number,
): Ref<ProfilerMessage> | undefined {
  if (step.kind !== 'profile') return undefined;
  const able = workersHeard(registering, nowMs).filter(({ profiler }) => profiler !== undefined);
  const place = placeToProfile(able, {
    hardware: 'cpu',
    machine: step.machine,
    before: registration.profiledOn,
    utilisationMax: registering.options.config.profilingUtilisationMax,
  });
  // What is bound to a type of machine may have to be measured apart from the rest.
  if (step.machine === undefined) registration.profiledOn = place?.workerId;
  return place?.profiler;
}

export function passProgress(
  { running }: Registering,
  { registrationId, number, done, total }: Extract<StepEvent, { done: number }>,
  ctx: Context,
): void {
  const registration = running.get(registrationId);
  if (registration?.number !== number) return;
  // Where a stage counts nothing of its own, the step's count is shown; either way it is alive.
  const base = registration.progress;
  const progress = base === undefined || base.total > 0 ? base : { ...base, done, total };
  if (progress !== undefined) tellProgress(registration.request, progress, ctx);
}

function tellProgress(
  request: RegisterFamily | undefined,
  progress: RegistrationProgress,
  ctx: Context,
): void {
  if (request === undefined) return;
  const { requestId, replyTo } = request;
  ctx.tell(replyTo, { type: 'gateway.registration-progressed', requestId, progress });
}

export function endStep(
  registering: Registering,
  message: Extract<StepEvent, { type: 'registrar.step-ended' }>,
  ctx: Context,
): void {
  const registration = registering.running.get(message.registrationId);
  // An answer to a step that nobody waits for any more.
  if (registration?.number !== message.number || registration.recording !== undefined) return;
  resume(registering, registration, { outcome: message.outcome, nowMs: ctx.nowMs }, ctx);
}

/** What a script was to record is recorded, or is not. */
export function endRecording(
  registering: Registering,
  requestId: string,
  error: QueryError | undefined,
  ctx: Context,
): void {
  const { running, registry } = registering;
  const [id = '', number] = requestId.split('/');
  const registration = running.get(id);
  const family = registration?.recording;
  if (registration === undefined || family === undefined) return;
  if (registration.number !== Number(number)) return;
  registration.recording = undefined;
  if (error === undefined) registry.set(family);
  const outcome =
    error === undefined
      ? ({ ok: true, report: undefined } as const)
      : ({ ok: false, error } as const);
  resume(registering, registration, { outcome, nowMs: ctx.nowMs }, ctx);
}

function succeed(
  registering: Registering,
  registration: Running,
  { family, changed, servingMs }: ScriptResult,
  ctx: Context,
): void {
  const { id, request, startedMs } = registration;
  end(registering, registration, ctx);
  const { architecture, version } = family;
  ctx.log.info('registered', { registration: id, architecture, version, changed });
  if (request === undefined) return;
  const event: RegistrationEvent = {
    type: 'gateway.family-registered',
    requestId: request.requestId,
    report: {
      ...{ architecture, version, changed, servingMs },
      variants: family.variants.map((variant) => describeVariant(variant, 'inactive', 0)),
      refused: family.refused,
      totalMs: ctx.nowMs - startedMs,
    },
  };
  ctx.tell(request.replyTo, event);
}

function end(
  { running, outside, options }: Registering,
  { id, request }: Running,
  ctx: Context,
): void {
  running.delete(id);
  outside.askers.delete(id);
  endSteps(options, id, request, ctx);
  collectLater(options, ctx);
}

export function endSteps(
  { steps }: RegistrarOptions,
  registrationId: string,
  request: RegisterFamily | undefined,
  ctx: Context,
): void {
  const { uploadId, principal } = request ?? {};
  ctx.tell(steps, { type: 'steps.end-registration', registrationId, uploadId, principal });
}
