/**
 * The registrar: takes models and makes families of them. One registration is one script
 * (`registration.ts`); this runs scripts side by side, at most one an architecture: it carries out
 * what they ask for through its ports and resumes them with what came of it. It is the only writer
 * of families. A refused model is a reply; nothing of it is recorded.
 */

import type { ActorContext, ActorSpec, Ref } from '../../runtime/actor.ts';
import { assertNever } from '../../runtime/assert.ts';
import { restartPolicy } from '../../runtime/supervision.ts';
import type { ControllerMessage } from '../controller/protocol.ts';
import { describeVariant } from '../domain/describe-variant.ts';
import { type Family, withVariant } from '../domain/family.ts';
import { type QueryError, queryError } from '../domain/outcome.ts';
import type { RegistrationProgress } from '../domain/registration.ts';
import { objectionTo } from './check-variant.ts';
import type {
  FamilyEvent,
  RegisterFamily,
  RegistrarMessage,
  RegistrationEvent,
  UnregisterFamily,
} from './protocol.ts';
import {
  type RegistrationConfig,
  RegistrationRefused,
  registrationScript,
  type Script,
  type ScriptAnswer,
  type ScriptResult,
} from './registration.ts';
import { Registry } from './registry.ts';
import type { StepCommand, StepEvent } from './steps-port.ts';

export interface RegistrarConfig extends RegistrationConfig {
  /** Registrations at once; more are refused. */
  readonly registrationsMax: number;
  /** How long the store may take. */
  readonly storeMs: number;
  /** Files of variants that were replaced or removed may still be loading somewhere. */
  readonly collectAfterMs: number;
}

export interface RegistrarOptions {
  readonly controller: Ref<ControllerMessage>;
  readonly steps: Ref<StepCommand>;
  readonly mailboxMax: number;
  readonly config: RegistrarConfig;
}

/** A registration under way. */
interface Running {
  readonly id: string;
  readonly request: RegisterFamily;
  readonly script: Script;
  readonly startedMs: number;
  /** Counts what the script asked for. */
  number: number;
  /** The family that is being stored. */
  recording: Family | undefined;
  /** What the asker was last told. */
  progress: RegistrationProgress | undefined;
}

/** A family whose removal, or whose loss of a variant, is being stored. */
interface Removing {
  readonly request: UnregisterFamily;
  readonly left: Family | undefined;
  readonly variants: readonly string[];
}

interface Registering {
  readonly options: RegistrarOptions;
  registry: Registry;
  /** What came before the registry did; undefined since then. */
  early: RegistrarMessage[] | undefined;
  readonly running: Map<string, Running>;
  readonly removing: Map<string, Removing>;
  readonly outside: Outside;
}

/** What outlives a restart: who waits for an answer, and how many registrations were named. */
interface Outside {
  named: number;
  readonly askers: Map<string, RegisterFamily>;
}

type Context = ActorContext<RegistrarMessage>;

export function registrarSpec(options: RegistrarOptions): ActorSpec<Registering, RegistrarMessage> {
  const outside: Outside = { named: 0, askers: new Map() };
  return {
    start: (ctx) => startRegistrar(options, outside, ctx),
    behaviour: registrarBehaviour,
    supervision: restartPolicy,
    mailboxMax: options.mailboxMax,
    remoteTypes: ['registrar.register-family', 'registrar.unregister-family'],
  };
}

function startRegistrar(options: RegistrarOptions, outside: Outside, ctx: Context): Registering {
  ctx.tell(options.controller, { type: 'controller.attach-registrar', registrar: ctx.self });
  for (const [id, request] of outside.askers) {
    refuse(request, queryError('internal', 'the registrar was restarted; register again'), ctx);
    endSteps(options, id, request, ctx);
  }
  outside.askers.clear();
  return {
    ...{ options, outside, registry: new Registry(), early: [] },
    ...{ running: new Map(), removing: new Map() },
  };
}

function registrarBehaviour(
  registering: Registering,
  message: RegistrarMessage,
  ctx: Context,
): Registering {
  if (registering.early !== undefined && message.type !== 'registrar.registry-changed') {
    registering.early.push(message);
    return registering;
  }
  switch (message.type) {
    case 'registrar.register-model':
      registerReadyMade(registering, message, ctx);
      return registering;
    case 'registrar.register-family':
      begin(registering, message, ctx);
      return registering;
    case 'registrar.unregister-family':
      unregister(registering, message, ctx);
      return registering;
    case 'registrar.step-progressed':
      passProgress(registering, message, ctx);
      return registering;
    case 'registrar.step-ended':
      endStep(registering, message, ctx);
      return registering;
    case 'registrar.family-stored':
    case 'registrar.family-not-stored':
      endStoring(registering, message, ctx);
      return registering;
    case 'registrar.registry-changed':
      return takeRegistry(registering, message.families, ctx);
    case 'registrar.collect-due':
      collect(registering, ctx);
      return registering;
    default:
      return assertNever(message);
  }
}

function takeRegistry(
  registering: Registering,
  families: readonly Family[],
  ctx: Context,
): Registering {
  registering.registry = new Registry(families);
  const early = registering.early ?? [];
  registering.early = undefined;
  return early.reduce((state, message) => registrarBehaviour(state, message, ctx), registering);
}

/** A variant with everything: its file lies where workers find it, its profile is given. */
function registerReadyMade(
  { options, registry }: Registering,
  message: Extract<RegistrarMessage, { type: 'registrar.register-model' }>,
  ctx: Context,
): void {
  const { variant, replyTo } = message;
  const { architecture } = variant;
  const error =
    objectionTo(variant, registry.comparedWith(variant)) ??
    registry.objectionToName(variant.id, architecture);
  if (error !== undefined) {
    ctx.tell(replyTo, { type: 'registrar.model-refused', variantId: variant.id, error });
    return;
  }
  const family = registry.family(architecture);
  const known = family?.variants.find(({ id }) => id === variant.id);
  // What was made of a file that somebody registered since is not undone by the next start.
  const isOurs = family?.sourceDigest !== undefined;
  const changed = !isOurs && JSON.stringify(known) !== JSON.stringify(variant);
  if (changed) {
    const base = family ?? { architecture, version: 1, complete: true, variants: [], refused: [] };
    const grown = withVariant(base, variant);
    registry.set(grown);
    ctx.tell(options.controller, { type: 'controller.record-family', family: grown });
  }
  ctx.tell(replyTo, { type: 'registrar.model-registered', variantId: variant.id, changed });
}

function begin(registering: Registering, request: RegisterFamily, ctx: Context): void {
  const { options, running, outside, registry } = registering;
  const error =
    objectionToAsker(request) ?? objectionToBegin(registering, request.manifest.architecture);
  if (error !== undefined) {
    refuse(request, error, ctx);
    return;
  }
  outside.named += 1;
  const id = `registration-${outside.named}`;
  const script = registrationScript(request, registry, options.config, ctx.nowMs);
  const registration: Running = {
    ...{ id, request, script, startedMs: ctx.nowMs },
    ...{ number: 0, recording: undefined, progress: undefined },
  };
  running.set(id, registration);
  outside.askers.set(id, request);
  const { architecture } = request.manifest;
  ctx.log.info('registration began', { registration: id, architecture });
  resume(registering, registration, undefined, ctx);
}

function objectionToAsker({
  principal,
}: RegisterFamily | UnregisterFamily): QueryError | undefined {
  if (principal.mayRegister !== false) return undefined;
  return queryError('unauthorized', `${principal.name} may ask queries, not register models`);
}

function objectionToBegin(registering: Registering, architecture: string): QueryError | undefined {
  const { running, removing, options } = registering;
  const isBusy =
    [...running.values()].some(({ request }) => request.manifest.architecture === architecture) ||
    [...removing.values()].some(({ request }) => request.architecture === architecture);
  if (isBusy) {
    const message = `architecture "${architecture}" is being registered or removed; wait for that`;
    return queryError('overloaded', message, { architecture });
  }
  const most = options.config.registrationsMax;
  return running.size >= most
    ? queryError('overloaded', `${most} registrations are under way, the limit; try again later`)
    : undefined;
}

function refuse(
  { requestId, replyTo }: Pick<RegisterFamily, 'requestId' | 'replyTo'>,
  error: QueryError,
  ctx: Context,
): void {
  ctx.tell(replyTo, { type: 'gateway.registration-refused', requestId, error });
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
    refuse(request, error.error, ctx);
    return;
  }
  if (next.done === true) {
    succeed(registering, registration, next.value, ctx);
    return;
  }
  carryOut(registering, registration, next.value, ctx);
}

function carryOut(
  { options }: Registering,
  registration: Running,
  asked: Script extends Generator<infer R> ? R : never,
  ctx: Context,
): void {
  const { id, request } = registration;
  registration.number += 1;
  const { requestId, replyTo } = request;
  const { progress } = asked;
  registration.progress = progress;
  ctx.tell(replyTo, { type: 'gateway.registration-progressed', requestId, progress });
  if (asked.do === 'step') {
    ctx.tell(options.steps, {
      type: 'steps.run-step',
      registrationId: id,
      number: registration.number,
      step: asked.step,
      replyTo: ctx.self,
    });
    return;
  }
  registration.recording = asked.family;
  store(options, asked.family, `${id}/${registration.number}`, ctx);
}

/** Answered by `registrar.family-stored`, or by time. */
function store(options: RegistrarOptions, family: Family, requestId: string, ctx: Context): void {
  const replyTo = ctx.self;
  ctx.tell(options.controller, { type: 'controller.record-family', family, requestId, replyTo });
  awaitStore(options, requestId, ctx);
}

function awaitStore({ config }: RegistrarOptions, requestId: string, ctx: Context): void {
  const message = `the store did not answer within ${config.storeMs} ms`;
  ctx.after(config.storeMs, `store ${requestId}`, {
    type: 'registrar.family-not-stored',
    requestId,
    message,
  });
}

function passProgress(
  { running }: Registering,
  { registrationId, number, done, total }: Extract<StepEvent, { done: number }>,
  ctx: Context,
): void {
  const registration = running.get(registrationId);
  if (registration?.number !== number) return;
  const { requestId, replyTo } = registration.request;
  // Where a stage counts nothing of its own, the step's count is shown; either way it is alive.
  const base = registration.progress;
  const progress = base === undefined || base.total > 0 ? base : { ...base, done, total };
  if (progress === undefined) return;
  ctx.tell(replyTo, { type: 'gateway.registration-progressed', requestId, progress });
}

function endStep(
  registering: Registering,
  message: Extract<StepEvent, { type: 'registrar.step-ended' }>,
  ctx: Context,
): void {
  const registration = registering.running.get(message.registrationId);
  // An answer to a step that nobody waits for any more.
  if (registration?.number !== message.number || registration.recording !== undefined) return;
  resume(registering, registration, { outcome: message.outcome, nowMs: ctx.nowMs }, ctx);
}

function endStoring(registering: Registering, message: FamilyEvent, ctx: Context): void {
  const { running, removing, registry } = registering;
  ctx.cancel(`store ${message.requestId}`);
  const error =
    message.type === 'registrar.family-stored'
      ? undefined
      : queryError('unavailable', `the family was not recorded: ${message.message}`);
  const removed = removing.get(message.requestId);
  if (removed !== undefined) {
    endRemoving(registering, message.requestId, removed, error, ctx);
    return;
  }
  const [id = '', number] = message.requestId.split('/');
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

function endSteps(
  { steps }: RegistrarOptions,
  registrationId: string,
  { uploadId, principal }: RegisterFamily,
  ctx: Context,
): void {
  ctx.tell(steps, { type: 'steps.end-registration', registrationId, uploadId, principal });
}

function unregister(registering: Registering, request: UnregisterFamily, ctx: Context): void {
  const { options, registry, removing, outside } = registering;
  const { architecture, variant } = request;
  const family = registry.family(architecture);
  const error =
    objectionToAsker(request) ??
    objectionToRemoval(family, request) ??
    objectionToBegin(registering, architecture);
  if (family === undefined || error !== undefined) {
    if (error !== undefined) refuse(request, error, ctx);
    return;
  }
  const gone = family.variants.filter(({ id }) => variant === undefined || id === variant);
  const left = family.variants.filter((one) => !gone.includes(one));
  outside.named += 1;
  const requestId = `removal-${outside.named}`;
  // The same source again would have to make it anew.
  const rest = left.length === 0 ? undefined : { ...family, complete: false, variants: left };
  removing.set(requestId, { request, left: rest, variants: gone.map(({ id }) => id) });
  if (rest !== undefined) {
    store(options, rest, requestId, ctx);
    return;
  }
  const replyTo = ctx.self;
  const type = 'controller.remove-family';
  ctx.tell(options.controller, { type, architecture, requestId, replyTo });
  awaitStore(options, requestId, ctx);
}

function objectionToRemoval(
  family: Family | undefined,
  { architecture, variant }: UnregisterFamily,
): QueryError | undefined {
  if (family === undefined) {
    const message = `no architecture "${architecture}" is there; see \`infaas architectures\``;
    return queryError('unknown_architecture', message, { architecture });
  }
  if (variant === undefined || family.variants.some(({ id }) => id === variant)) return undefined;
  const known = family.variants.map(({ id }) => id).join(', ');
  const message = `architecture "${architecture}" has no variant "${variant}"; it has ${known}`;
  return queryError('unknown_variant', message, { variant });
}

function endRemoving(
  { removing, registry, options }: Registering,
  requestId: string,
  { request, left, variants }: Removing,
  error: QueryError | undefined,
  ctx: Context,
): void {
  removing.delete(requestId);
  if (error !== undefined) {
    refuse(request, error, ctx);
    return;
  }
  const { architecture } = request;
  if (left === undefined) registry.remove(architecture);
  else registry.set(left);
  ctx.log.info('unregistered', { architecture, variants: variants.length });
  collectLater(options, ctx);
  ctx.tell(request.replyTo, {
    type: 'gateway.family-unregistered',
    requestId: request.requestId,
    report: { architecture, variants },
  });
}

function collectLater({ config }: RegistrarOptions, ctx: Context): void {
  ctx.after(config.collectAfterMs, 'collect', { type: 'registrar.collect-due' });
}

function collect({ options, registry, running }: Registering, ctx: Context): void {
  // What a registration has stored and not recorded yet is nobody's so far.
  if (running.size > 0) {
    collectLater(options, ctx);
    return;
  }
  const kept = [...registry.all()].flatMap(({ variants }) => variants.map(({ file }) => file));
  ctx.tell(options.steps, { type: 'steps.collect-files', kept });
}
