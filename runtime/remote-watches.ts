/**
 * Watching actors of other nodes. Two halves that talk by three messages: the watcher's node sends
 * `runtime.watch`, the target's node watches locally for it and sends `runtime.terminated`.
 *
 * Each watch is told exactly once: by the target's node, or by ours when that node is gone. What
 * the bus loses is healed, not prevented: after either side was cut off, the watcher's node asserts
 * its watches again under the same ids, and the target's node repeats what it had already answered.
 */

import type { Address, NodeId, StopReason, Terminated } from './actor.ts';
import { formatAddress } from './actor.ts';
import { FrameRejected } from './errors.ts';

/** Between the runtimes of two nodes; their envelopes have an empty `toPath`. */
export type RuntimeMessage =
  | { readonly type: 'runtime.watch'; readonly id: number; readonly target: Address }
  | { readonly type: 'runtime.unwatch'; readonly id: number; readonly path: string }
  | {
      readonly type: 'runtime.terminated';
      readonly id: number;
      readonly path: string;
      readonly reason: StopReason;
      readonly detail: string;
    };

type Notify = (terminated: Terminated) => void;

interface Watch {
  readonly id: number;
  readonly key: string;
  readonly target: Address;
  /** By the watcher's path: one node's living actors differ in it. */
  readonly watchers: Map<string, Notify[]>;
}

/** The watcher's half. */
export class OutgoingWatches {
  private readonly byTarget = new Map<string, Watch>();
  private readonly byId = new Map<number, Watch>();
  private readonly post: (node: NodeId, message: RuntimeMessage) => void;
  private lastId = 0;

  constructor(post: (node: NodeId, message: RuntimeMessage) => void) {
    this.post = post;
  }

  get size(): number {
    return this.byTarget.size;
  }

  /** Returns the watch's id when the target was not watched before. */
  add(target: Address, watcher: Address, notify: Notify): number | undefined {
    const key = formatAddress(target);
    const known = this.byTarget.get(key);
    if (known !== undefined) {
      known.watchers.set(watcher.path, [...(known.watchers.get(watcher.path) ?? []), notify]);
      return undefined;
    }
    this.lastId += 1;
    const { node, epoch, path } = target;
    const watch: Watch = {
      id: this.lastId,
      key,
      target: { node, epoch, path },
      watchers: new Map([[watcher.path, [notify]]]),
    };
    this.byTarget.set(key, watch);
    this.byId.set(watch.id, watch);
    return watch.id;
  }

  remove(target: Address, watcher: Address): void {
    const watch = this.byTarget.get(formatAddress(target));
    if (watch?.watchers.delete(watcher.path) !== true || watch.watchers.size > 0) return;
    this.forget(watch);
    const { node, path } = watch.target;
    this.post(node, { type: 'runtime.unwatch', id: watch.id, path });
  }

  /** Asks the target's node for this watch. */
  assert(id: number): void {
    const watch = this.byId.get(id);
    if (watch !== undefined) this.ask(watch);
  }

  /** Asks again for every watch of `node`, or of all nodes. */
  assertAll(node?: NodeId): void {
    for (const watch of this.byTarget.values()) {
      if (node === undefined || watch.target.node === node) this.ask(watch);
    }
  }

  /** Ends a watch and tells its watchers; an unknown id was told before. */
  settle(id: number, reason: StopReason, detail: string): void {
    const watch = this.byId.get(id);
    if (watch === undefined) return;
    this.forget(watch);
    const terminated: Terminated = {
      type: 'runtime.terminated',
      address: watch.target,
      reason,
      detail,
    };
    for (const notify of [...watch.watchers.values()].flat()) notify(terminated);
  }

  /** What the target's node says; ignored unless the id is about that actor of that node. */
  terminated(node: NodeId, message: Extract<RuntimeMessage, { type: 'runtime.terminated' }>): void {
    const target = this.byId.get(message.id)?.target;
    if (target?.node !== node || target.path !== message.path) return;
    this.settle(message.id, message.reason, message.detail);
  }

  /** `node` is gone as far as refs of epochs up to `epochMax` go. */
  nodeGone(node: NodeId, epochMax: number, detail: string): void {
    for (const watch of [...this.byTarget.values()]) {
      if (watch.target.node !== node || watch.target.epoch > epochMax) continue;
      this.settle(watch.id, 'node-down', detail);
    }
  }

  private ask({ id, target }: Watch): void {
    this.post(target.node, { type: 'runtime.watch', id, target });
  }

  private forget(watch: Watch): void {
    this.byTarget.delete(watch.key);
    this.byId.delete(watch.id);
  }
}

interface Asked {
  readonly id: number;
  readonly epoch: number;
}

interface Ended {
  readonly node: NodeId;
  /** Of the watcher's node when it asked. */
  readonly epoch: number;
  readonly message: Extract<RuntimeMessage, { type: 'runtime.terminated' }>;
  sent: boolean;
}

/** Answers kept for a watcher that asks again because ours was lost. */
const endedMax = 1024;

export interface IncomingOptions {
  /** Watches a local path and reports its end once. */
  readonly watchLocally: (path: string, notify: Notify) => void;
  readonly isOurs: (target: Address) => boolean;
  /** To that life of the node only; false when the bus refused. */
  readonly post: (node: NodeId, epoch: number, message: RuntimeMessage) => boolean;
}

/** The target's half. */
export class IncomingWatches {
  private readonly options: IncomingOptions;
  /** One local watch a path, however many nodes ask and however often. */
  private readonly byPath = new Map<string, Map<NodeId, Asked>>();
  private readonly ended = new Map<string, Ended>();

  constructor(options: IncomingOptions) {
    this.options = options;
  }

  watch(node: NodeId, epoch: number, id: number, target: Address): void {
    const { path } = target;
    const before = this.ended.get(endedKey(node, epoch, id));
    if (before?.message.path === path) {
      before.sent = this.options.post(node, epoch, before.message);
      return;
    }
    if (!this.options.isOurs(target)) {
      this.answer(node, { id, epoch }, path, 'node-down', 'an earlier life of the node');
      return;
    }
    const watching = this.byPath.get(path);
    if (watching !== undefined) {
      watching.set(node, { id, epoch });
      return;
    }
    this.byPath.set(path, new Map([[node, { id, epoch }]]));
    this.options.watchLocally(path, (terminated) => {
      this.localEnd(path, terminated);
    });
  }

  unwatch(node: NodeId, id: number, path: string): void {
    const watching = this.byPath.get(path);
    if (watching?.get(node)?.id === id) watching.delete(node);
  }

  /** A node's earlier life asks for nothing any more. */
  nodeGone(node: NodeId, epochMax: number): void {
    for (const watching of this.byPath.values()) {
      const asked = watching.get(node);
      if (asked !== undefined && asked.epoch <= epochMax) watching.delete(node);
    }
    for (const [key, ended] of this.ended) if (ended.node === node) this.ended.delete(key);
  }

  /** We live under a new epoch: everybody learns that the old one is over by that alone. */
  forgetAll(): void {
    for (const watching of this.byPath.values()) watching.clear();
    this.ended.clear();
  }

  /** Sends what the bus refused while we were cut off. */
  resend(): void {
    for (const ended of this.ended.values()) {
      if (ended.sent) continue;
      ended.sent = this.options.post(ended.node, ended.epoch, ended.message);
    }
  }

  private localEnd(path: string, { reason, detail }: Terminated): void {
    const watching = this.byPath.get(path);
    this.byPath.delete(path);
    if (watching === undefined) return;
    for (const [node, asked] of watching) this.answer(node, asked, path, reason, detail);
  }

  private answer(
    node: NodeId,
    { id, epoch }: Asked,
    path: string,
    reason: StopReason,
    detail: string,
  ): void {
    const message = { type: 'runtime.terminated', id, path, reason, detail } as const;
    const sent = this.options.post(node, epoch, message);
    this.ended.set(endedKey(node, epoch, id), { node, epoch, message, sent });
    const oldest = this.ended.keys().next();
    if (this.ended.size > endedMax && oldest.done !== true) this.ended.delete(oldest.value);
  }
}

function endedKey(node: NodeId, epoch: number, id: number): string {
  return `${node}#${String(epoch)}/${String(id)}`;
}

const stopReasons: ReadonlySet<unknown> = new Set<StopReason>([
  'stopped',
  'failed',
  'node-down',
  'not-found',
]);

/** The runtime message in an envelope's body; throws FrameRejected when it is none. */
export function parseRuntimeMessage(type: string, body: unknown): RuntimeMessage {
  if (typeof body !== 'object' || body === null) throw notOurs(type);
  const { id, target, path, reason, detail } = body as Record<string, unknown>;
  if (typeof id !== 'number' || !Number.isSafeInteger(id)) throw notOurs(type);
  if (type === 'runtime.watch') return { type, id, target: parseAddress(type, target) };
  if (typeof path !== 'string') throw notOurs(type);
  if (type === 'runtime.unwatch') return { type, id, path };
  if (type !== 'runtime.terminated' || !stopReasons.has(reason) || typeof detail !== 'string') {
    throw notOurs(type);
  }
  return { type, id, path, reason: reason as StopReason, detail };
}

function parseAddress(type: string, value: unknown): Address {
  if (typeof value !== 'object' || value === null) throw notOurs(type);
  const { node, epoch, path } = value as Record<string, unknown>;
  if (typeof node !== 'string' || typeof epoch !== 'number' || typeof path !== 'string') {
    throw notOurs(type);
  }
  return { node, epoch, path };
}

function notOurs(type: string): FrameRejected {
  return new FrameRejected(`not a runtime message: ${type.slice(0, 64)}`, 'bus');
}
