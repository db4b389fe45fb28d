/**
 * The registrar: takes models and makes families of them. One registration is one script
 * (`registration.ts`); this runs scripts side by side, at most one an architecture: it carries out
 * what they ask for through its ports and resumes them with what came of it. It is the only writer
 * of families. A refused model is a reply; nothing of it is recorded.
 */

import type { ActorSpec } from '../../runtime/actor.ts';
import { assertNever } from '../../runtime/assert.ts';
import { restartPolicy } from '../../runtime/supervision.ts';
import { emptyFamily, type Family, withVariant } from '../domain/family.ts';
import { queryError } from '../domain/outcome.ts';
import type { Variant } from '../domain/variant.ts';
import { objectionTo } from './check-variant.ts';
import type { FamilyEvent, RegistrarMessage } from './protocol.ts';
import {
  collectLater,
  type Context,
  type Outside,
  refuse,
  type Registering,
  type RegistrarOptions,
} from './registering.ts';
import { Registry } from './registry.ts';
import { reprofileNext, resumeStale, takeWorker } from './reprofiling.ts';
import { endRemoving, unregister } from './removal.ts';
import { begin, endRecording, endStep, endSteps, passProgress } from './running.ts';

export type { RegistrarConfig, RegistrarOptions } from './registering.ts';

export function registrarSpec(options: RegistrarOptions): ActorSpec<Registering, RegistrarMessage> {
  const outside: Outside = { named: 0, askers: new Map() };
  return {
    start: (ctx) => startRegistrar(options, outside, ctx),
    behaviour: registrarBehaviour,
    supervision: restartPolicy,
    mailboxMax: options.mailboxMax,
    remoteTypes: [
      'registrar.register-family',
      'registrar.unregister-family',
      'registrar.worker-seen',
    ],
  };
}

/** The controller answers with all families that it holds. */
function attachTo({ controller }: RegistrarOptions, ctx: Context): void {
  ctx.tell(controller, { type: 'controller.attach-registrar', registrar: ctx.self });
}

function startRegistrar(options: RegistrarOptions, outside: Outside, ctx: Context): Registering {
  attachTo(options, ctx);
  for (const [id, request] of outside.askers) {
    refuse(request, queryError('internal', 'the registrar was restarted; register again'), ctx);
    endSteps(options, id, request, ctx);
  }
  outside.askers.clear();
  return {
    ...{ options, outside, registry: new Registry(), early: [] },
    ...{ running: new Map(), removing: new Map(), workers: new Map() },
    ...{ toReprofile: new Map(), reprofiled: new Map() },
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
    case 'registrar.worker-seen':
      takeWorker(registering, message, ctx);
      return registering;
    case 'registrar.step-progressed':
      passProgress(registering, message, ctx);
      return registering;
    case 'registrar.step-ended':
      endStep(registering, message, ctx);
      reprofileNext(registering, ctx);
      return registering;
    case 'registrar.family-stored':
    case 'registrar.family-not-stored':
      endStoring(registering, message, ctx);
      reprofileNext(registering, ctx);
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
  resumeStale(registering, ctx);
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
  const changed = !isOurs && !isSame(known, variant);
  if (changed) {
    const grown = withVariant(family ?? emptyFamily(architecture), variant);
    registry.set(grown);
    ctx.tell(options.controller, { type: 'controller.record-family', family: grown });
  }
  ctx.tell(replyTo, { type: 'registrar.model-registered', variantId: variant.id, changed });
}

/** What was measured here, after a profile had become stale, is not undone by the next start. */
function isSame(known: Variant | undefined, given: Variant): boolean {
  const measured = known?.profile.provenance !== undefined && known.profile;
  const { provenance } = given.profile;
  const profile = measured !== false && provenance === undefined ? measured : given.profile;
  const { stale } = known ?? {};
  return JSON.stringify(known) === JSON.stringify({ ...given, profile, ...(stale && { stale }) });
}

function endStoring(registering: Registering, message: FamilyEvent, ctx: Context): void {
  ctx.cancel(`store ${message.requestId}`);
  const error =
    message.type === 'registrar.family-stored'
      ? undefined
      : queryError('unavailable', `the family was not recorded: ${message.message}`);
  // It may be stored yet, and serves by what the controller holds: so do its files' lives.
  if (error !== undefined) attachTo(registering.options, ctx);
  const removed = registering.removing.get(message.requestId);
  if (removed === undefined) endRecording(registering, message.requestId, error, ctx);
  else endRemoving(registering, message.requestId, removed, error, ctx);
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
