/**
 * The controller: who belongs to the system, and what is registered. It introduces workers to
 * dispatchers and hands both the registry; it is on no query's way, and everybody serves on when it
 * is gone. A restarted one has its registry and epochs from the store, its nodes attach again.
 */

import type { ActorContext, ActorSpec, Address, Ref } from '../../runtime/actor.ts';
import { formatAddress, refOf } from '../../runtime/actor.ts';
import { assertNever } from '../../runtime/assert.ts';
import { type EpochRecords, grantEpoch } from '../../runtime/membership.ts';
import { restartPolicy } from '../../runtime/supervision.ts';
import { isNodeId } from '../../runtime/wire/subjects.ts';
import type { DispatcherMessage } from '../dispatcher/protocol.ts';
import { defaultConfirmMs } from '../domain/attachment.ts';
import { changesBetween, type Family, gatherFamilies } from '../domain/family.ts';
import type { Variant, VariantId } from '../domain/variant.ts';
import type { WorkerMessage } from '../worker/protocol.ts';
import type { ControllerMessage, JoinNode, JoinOutcome, StoreCommand } from './protocol.ts';

/** Twice what it takes to find out that a node is dead, at the usual pace of beats. */
const defaultContestMs = 1_500;

export interface ControllerConfig {
  readonly mailboxMax: number;
  readonly nodesMax: number;
  /** How long a name may be asked for while it looks alive; a dead one is found out sooner. */
  readonly contestMs?: number;
  /** How long what was lost on the way, unnoticed, may stay unknown to its reader. */
  readonly confirmMs?: number;
}

/** What the store held at start. */
export interface StoredControl {
  readonly epochs: EpochRecords;
  readonly families: readonly Family[];
  /** Recorded one by one, by versions that knew no families. */
  readonly variants?: readonly Variant[];
}

export interface ControllerOptions {
  readonly store: Ref<StoreCommand>;
  /** Read anew at each start, so that a restart loses nothing that was stored. */
  readonly stored: () => StoredControl;
  readonly config: ControllerConfig;
}

interface Controlling {
  readonly options: ControllerOptions;
  readonly families: Map<string, Family>;
  /** Their variants; undefined after a change, until somebody is told of all. */
  listed: readonly Variant[] | undefined;
  /** Variants that the store still has records of their own of. */
  readonly loose: Set<VariantId>;
  /** What readers have not been told yet: variants changed, or removed (undefined). */
  readonly unpublished: Map<VariantId, Variant | undefined>;
  /** The revision that readers know. */
  published: number;
  epochs: EpochRecords;
  revision: number;
  /** Which new process asks for the name of one that lives, and since when, by name. */
  readonly contests: Map<string, { readonly incarnation: string; readonly sinceMs: number }>;
  dispatchers: readonly Ref<DispatcherMessage>[];
  workers: readonly Ref<WorkerMessage>[];
}

type Context = ActorContext<ControllerMessage>;

export function controllerSpec(
  options: ControllerOptions,
): ActorSpec<Controlling, ControllerMessage> {
  return {
    start: (ctx) => {
      const { epochs, families, variants = [] } = options.stored();
      const gathered = gatherFamilies(families, variants);
      askForAttachments(epochs, ctx);
      confirmLater(options.config, ctx);
      return {
        options,
        families: new Map(gathered.map((family) => [family.architecture, family])),
        listed: undefined,
        loose: new Set(variants.map(({ id }) => id)),
        unpublished: new Map(),
        epochs,
        revision: 1,
        published: 1,
        contests: new Map(),
        dispatchers: [],
        workers: [],
      };
    },
    behaviour: controllerBehaviour,
    supervision: restartPolicy,
    mailboxMax: options.config.mailboxMax,
    remoteTypes: [
      'controller.join-node',
      'controller.attach-dispatcher',
      'controller.attach-worker',
    ],
  };
}

function controllerBehaviour(
  controlling: Controlling,
  message: ControllerMessage,
  ctx: Context,
): Controlling {
  switch (message.type) {
    case 'controller.join-node':
      join(controlling, message, ctx);
      return controlling;
    case 'controller.attach-dispatcher':
      controlling.dispatchers = attach(controlling.dispatchers, message.dispatcher, ctx);
      tellRegistry(controlling, message.dispatcher, 'dispatcher', ctx);
      introduce(controlling, controlling.workers, ctx);
      return controlling;
    case 'controller.attach-worker':
      controlling.workers = attach(controlling.workers, message.worker, ctx);
      tellRegistry(controlling, message.worker, 'worker', ctx);
      introduce(controlling, [message.worker], ctx);
      return controlling;
    case 'controller.attach-registrar':
      ctx.tell(message.registrar, {
        type: 'registrar.registry-changed',
        revision: controlling.revision,
        families: [...controlling.families.values()],
      });
      return controlling;
    case 'controller.compare-registry':
      compareRegistry(controlling, message, ctx);
      return controlling;
    case 'controller.record-family':
      record(controlling, message, ctx);
      return controlling;
    case 'controller.remove-family':
      removeFamily(controlling, message, ctx);
      return controlling;
    case 'controller.confirm-due':
      confirm(controlling, ctx);
      return controlling;
    case 'controller.publish-due':
      publish(controlling, ctx);
      return controlling;
    case 'controller.actor-terminated':
      detach(controlling, message.terminated.address, ctx);
      return controlling;
    default:
      return assertNever(message);
  }
}

/** Who lives where is not stored: after a restart every node is asked to attach again. */
function askForAttachments(epochs: EpochRecords, ctx: Context): void {
  for (const node of new Set([ctx.self.node, ...Object.keys(epochs)])) {
    ctx.tell(refOf<JoinOutcome>(node, 0, '/join'), { type: 'node.attach-wanted' });
  }
}

function join(controlling: Controlling, request: JoinNode, ctx: Context): void {
  const known = Object.hasOwn(controlling.epochs, request.node);
  const full =
    !known && Object.keys(controlling.epochs).length >= controlling.options.config.nodesMax;
  if (!isNodeId(request.node) || full) {
    const message = full
      ? `the system has ${String(controlling.options.config.nodesMax)} nodes, its limit`
      : `"${request.node}" is no node name; use letters, digits, "-" and "_", at most 64`;
    ctx.tell(request.replyTo, { type: 'node.join-refused', requestId: request.requestId, message });
    return;
  }
  if (isTaken(controlling, request)) {
    contest(controlling, request, ctx);
    return;
  }
  controlling.contests.delete(request.node);
  const grant = grantEpoch(controlling.epochs, request, ctx.nowMs);
  if (grant.fresh) {
    controlling.epochs = grant.records;
    const key = `epoch/${request.node}`;
    ctx.tell(controlling.options.store, { type: 'store.put', key, value: grant.record });
    ctx.log.info('node joined', { node: request.node, kind: request.kind, epoch: grant.epoch });
  }
  const { requestId } = request;
  ctx.tell(request.replyTo, { type: 'node.joined', requestId, epoch: grant.epoch });
}

/** Another process bears that name, and nobody has seen it end. */
function isTaken({ epochs, workers, dispatchers }: Controlling, request: JoinNode): boolean {
  const { node, incarnation } = request;
  if (!Object.hasOwn(epochs, node) || epochs[node]?.incarnation === incarnation) return false;
  return [...workers, ...dispatchers].some((ref) => ref.node === node);
}

/**
 * A killed process looks alive until its beats are missed, so its successor is not refused at once:
 * it asks again, and by then either the name is free or its bearer is alive.
 */
function contest(controlling: Controlling, request: JoinNode, ctx: Context): void {
  const { node, requestId, incarnation } = request;
  const last = controlling.contests.get(node);
  const sinceMs = last?.incarnation === incarnation ? last.sinceMs : ctx.nowMs;
  controlling.contests.set(node, { incarnation, sinceMs });
  if (ctx.nowMs - sinceMs < (controlling.options.config.contestMs ?? defaultContestMs)) return;
  controlling.contests.delete(node);
  const message = `a node named "${node}" is running already; choose another --name, or stop it`;
  ctx.tell(request.replyTo, { type: 'node.join-refused', requestId, message });
}

/** The newest ref of a node's actor replaces an older one. */
function attach<M>(refs: readonly Ref<M>[], ref: Ref<M>, ctx: Context): readonly Ref<M>[] {
  ctx.watch(ref, (terminated) => ({ type: 'controller.actor-terminated', terminated }));
  return [...refs.filter(({ node, path }) => node !== ref.node || path !== ref.path), ref];
}

function detach(controlling: Controlling, address: Address, ctx: Context): void {
  const gone = formatAddress(address);
  controlling.contests.delete(address.node);
  const stays = (ref: Address): boolean => formatAddress(ref) !== gone;
  const before = controlling.dispatchers.length;
  controlling.dispatchers = controlling.dispatchers.filter(stays);
  controlling.workers = controlling.workers.filter(stays);
  ctx.log.info('node left', { address: gone });
  if (controlling.dispatchers.length < before) introduce(controlling, controlling.workers, ctx);
}

/** Workers report to dispatchers directly: they need only know which there are. */
function introduce(
  { dispatchers, published }: Controlling,
  workers: readonly Ref<WorkerMessage>[],
  ctx: Context,
): void {
  for (const worker of workers) {
    ctx.tell(worker, { type: 'worker.dispatchers-changed', dispatchers, revision: published });
  }
}

function confirmLater({ confirmMs }: ControllerConfig, ctx: Context): void {
  ctx.after(confirmMs ?? defaultConfirmMs, 'confirm', { type: 'controller.confirm-due' });
}

/**
 * What each reader should know, told again: a message may be lost and nobody notice. Whoever knows
 * another revision attaches, and is given the whole.
 */
function confirm(controlling: Controlling, ctx: Context): void {
  const { options, dispatchers, workers, published: revision } = controlling;
  confirmLater(options.config, ctx);
  introduce(controlling, workers, ctx);
  for (const dispatcher of dispatchers) {
    const noChange = { since: revision, revision, variants: noVariants };
    ctx.tell(dispatcher, { type: 'dispatcher.registry-changed', ...noChange });
  }
}

const noVariants: readonly Variant[] = [];

type RegistryReader = DispatcherMessage | WorkerMessage;

type ReaderKind = 'dispatcher' | 'worker';

/** The whole registry, to one that has just come. What is unpublished it hears of once more. */
function tellRegistry(
  controlling: Controlling,
  reader: Ref<never>,
  kind: ReaderKind,
  ctx: Context,
): void {
  controlling.listed ??= [...controlling.families.values()].flatMap(({ variants }) => variants);
  const message: RegistryReader = {
    type: `${kind}.registry-changed`,
    revision: controlling.published,
    variants: controlling.listed,
  };
  ctx.tell(reader as Ref<RegistryReader>, message);
}

function compareRegistry(
  { families, published }: Controlling,
  { revision, replyTo }: Extract<ControllerMessage, { type: 'controller.compare-registry' }>,
  ctx: Context,
): void {
  if (revision === published) return;
  ctx.tell(replyTo, {
    type: 'fleet.registry-changed',
    revision: published,
    variants: [...families.values()].flatMap(({ variants }) => variants),
  });
}

type RecordFamily = Extract<ControllerMessage, { type: 'controller.record-family' }>;
type RemoveFamily = Extract<ControllerMessage, { type: 'controller.remove-family' }>;

/** One record a family: after a crash the store holds the old one or the new one. */
function record(controlling: Controlling, message: RecordFamily, ctx: Context): void {
  const { family, requestId, replyTo } = message;
  const { architecture } = family;
  const before = controlling.families.get(architecture);
  controlling.families.set(architecture, family);
  controlling.listed = undefined;
  ctx.tell(controlling.options.store, {
    type: 'store.put',
    key: familyKey(architecture),
    value: family,
    ...(requestId === undefined || replyTo === undefined
      ? {}
      : { replyTo: { requestId, ref: replyTo } }),
  });
  noteChanges(controlling, before, family, ctx);
}

function removeFamily(controlling: Controlling, message: RemoveFamily, ctx: Context): void {
  const { architecture, requestId, replyTo } = message;
  noteChanges(controlling, controlling.families.get(architecture), undefined, ctx);
  controlling.families.delete(architecture);
  controlling.listed = undefined;
  const reply = { requestId, ref: replyTo };
  const key = familyKey(architecture);
  ctx.tell(controlling.options.store, { type: 'store.remove', key, replyTo: reply });
}

function familyKey(architecture: string): string {
  return `family/${architecture}`;
}

function noteChanges(
  controlling: Controlling,
  before: Family | undefined,
  after: Family | undefined,
  ctx: Context,
): void {
  const { changed, removed } = changesBetween(before, after);
  for (const { id } of before?.variants ?? []) {
    // Its family's record has it now, or has it no more.
    if (!controlling.loose.delete(id)) continue;
    ctx.tell(controlling.options.store, { type: 'store.remove', key: `variant/${id}` });
  }
  for (const variant of changed) controlling.unpublished.set(variant.id, variant);
  for (const id of removed) controlling.unpublished.set(id, undefined);
  controlling.revision += 1;
  // Models given together arrive together: one message carries them all.
  ctx.after(0, 'publish', { type: 'controller.publish-due' });
}

/** What has changed since the last time; who missed that asks for the whole. */
function publish(controlling: Controlling, ctx: Context): void {
  const { unpublished, published, revision } = controlling;
  const variants: Variant[] = [];
  const removed: VariantId[] = [];
  for (const [id, variant] of unpublished) {
    if (variant === undefined) removed.push(id);
    else variants.push(variant);
  }
  unpublished.clear();
  controlling.published = revision;
  const change = { since: published, revision, variants, removed };
  // Workers first: a dispatcher may place by it at once.
  for (const ref of controlling.workers) {
    ctx.tell(ref, { type: 'worker.registry-changed', ...change });
  }
  for (const ref of controlling.dispatchers) {
    ctx.tell(ref, { type: 'dispatcher.registry-changed', ...change });
  }
}
