/**
 * What the registrar's parts share: its state, and the few things that all of them do. Scripts run
 * in `running.ts`, removals in `removal.ts`, stale profiles are measured anew by `reprofiling.ts`.
 */

import type { ActorContext, Ref } from '../../runtime/actor.ts';
import type { ControllerMessage } from '../controller/protocol.ts';
import type { Family } from '../domain/family.ts';
import { type QueryError, queryError } from '../domain/outcome.ts';
import type { RegistrationProgress } from '../domain/registration.ts';
import type { VariantId } from '../domain/variant.ts';
import type { WorkerId } from '../domain/worker.ts';
import type { RegisterFamily, RegistrarMessage, UnregisterFamily, WorkerSeen } from './protocol.ts';
import type { RegistrationConfig, Script } from './script.ts';
import type { Registry } from './registry.ts';
import type { StepCommand } from './steps-port.ts';

export interface RegistrarConfig extends RegistrationConfig {
  /** Registrations at once; more are refused. */
  readonly registrationsMax: number;
  /** How long the store may take. */
  readonly storeMs: number;
  /** A variant is not measured anew sooner than this after the last time, twice that next time. */
  readonly reprofilePauseMs: number;
  readonly reprofilePauseMaxMs: number;
  /** Files of variants that were replaced or removed may still be loading somewhere. */
  readonly collectAfterMs: number;
  /** Nothing is measured on a worker that is used more than this, 0 to 1. */
  readonly profilingUtilisationMax: number;
}

export interface RegistrarOptions {
  readonly controller: Ref<ControllerMessage>;
  readonly steps: Ref<StepCommand>;
  readonly mailboxMax: number;
  readonly config: RegistrarConfig;
}

/** A registration, or another script, under way. */
export interface Running {
  readonly id: string;
  readonly architecture: string;
  /** Undefined: nobody asked, a profile has become stale. */
  readonly request: RegisterFamily | undefined;
  readonly script: Script;
  readonly startedMs: number;
  /** Counts what the script asked for. */
  number: number;
  /** The family that is being stored. */
  recording: Family | undefined;
  /** What the asker was last told. */
  progress: RegistrationProgress | undefined;
  /** Where its models are measured. */
  profiledOn: WorkerId | undefined;
}

/** A family whose removal, or whose loss of a variant, is being stored. */
export interface Removing {
  readonly request: UnregisterFamily;
  readonly left: Family | undefined;
  readonly variants: readonly string[];
}

export interface Registering {
  readonly options: RegistrarOptions;
  registry: Registry;
  /** What came before the registry did; undefined since then. */
  early: RegistrarMessage[] | undefined;
  readonly running: Map<string, Running>;
  readonly removing: Map<string, Removing>;
  /** What each worker last told of itself, and how long that holds. */
  readonly workers: Map<WorkerId, { readonly seen: WorkerSeen; readonly untilMs: number }>;
  /** Variants whose profiles are stale, and why. */
  readonly toReprofile: Map<VariantId, string>;
  /** When a variant was last found stale, and for how long it is let be. */
  readonly reprofiled: Map<VariantId, { readonly atMs: number; readonly pauseMs: number }>;
  readonly outside: Outside;
}

/** What outlives a restart: who waits for an answer, and how many registrations were named. */
export interface Outside {
  named: number;
  readonly askers: Map<string, RegisterFamily>;
}

export type Context = ActorContext<RegistrarMessage>;

export function objectionToAsker({
  principal,
}: RegisterFamily | UnregisterFamily): QueryError | undefined {
  if (principal.mayRegister !== false) return undefined;
  return queryError('unauthorized', `${principal.name} may ask queries, not register models`);
}

export function objectionToBegin(
  registering: Registering,
  architecture: string,
): QueryError | undefined {
  const { running, removing, options } = registering;
  const isBusy =
    [...running.values()].some((one) => one.architecture === architecture) ||
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

export function refuse(
  { requestId, replyTo }: Pick<RegisterFamily, 'requestId' | 'replyTo'>,
  error: QueryError,
  ctx: Context,
): void {
  ctx.tell(replyTo, { type: 'gateway.registration-refused', requestId, error });
}

/** Answered by `registrar.family-stored`, or by time. */
export function store(
  options: RegistrarOptions,
  family: Family,
  requestId: string,
  ctx: Context,
): void {
  const replyTo = ctx.self;
  ctx.tell(options.controller, { type: 'controller.record-family', family, requestId, replyTo });
  awaitStore(options, requestId, ctx);
}

export function awaitStore({ config }: RegistrarOptions, requestId: string, ctx: Context): void {
  const message = `the store did not answer within ${config.storeMs} ms`;
  ctx.after(config.storeMs, `store ${requestId}`, {
    type: 'registrar.family-not-stored',
    requestId,
    message,
  });
}

export function collectLater({ config }: RegistrarOptions, ctx: Context): void {
  ctx.after(config.collectAfterMs, 'collect', { type: 'registrar.collect-due' });
}

/** Those that have told of themselves lately. */
export function workersHeard({ workers }: Registering, nowMs: number): readonly WorkerSeen[] {
  for (const [id, { untilMs }] of workers) if (untilMs < nowMs) workers.delete(id);
  return [...workers.values()].map(({ seen }) => seen);
}
