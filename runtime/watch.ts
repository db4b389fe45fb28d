/**
 * Watching: whom an actor watches, and the one notice each watch ends with.
 *
 * A watch is settled exactly once: by the end of a local actor, by what `remote.ts` learns about
 * another node, or at once when there is nobody to watch. Unwatching, restarting or stopping the
 * watcher settles it without a notice.
 */

import type { Address, RemotePort, StopReason, Terminated } from './actor.ts';
import { formatAddress } from './actor.ts';
import { messageOf } from './errors.ts';
import type { Incidents } from './incidents.ts';

export interface Watchable {
  readonly alive: boolean;
  /** False when it has stopped: there is nobody to watch. */
  addWatcher(watch: Watch): boolean;
}

/** Where an address leads to from this host. */
export type Resolution<A extends Watchable = Watchable> =
  A | 'no-such-actor' | 'stale-epoch' | 'remote';

/** What watching needs from the tree of actors. */
export interface WatchGround {
  resolve(address: Address): Resolution;
  readonly remote: RemotePort | undefined;
  readonly incidents: Incidents;
}

export type NoticeMapping = (terminated: Terminated) => unknown;

/** One watch that is not settled yet. */
export class Watch {
  live = true;
  /** How the notice becomes a message; watching again replaces it. */
  as: NoticeMapping;
  readonly #notify: (watch: Watch, terminated: Terminated) => void;
  /** Takes the watch off its target. */
  release: () => void = () => undefined;

  constructor(as: NoticeMapping, notify: (watch: Watch, terminated: Terminated) => void) {
    this.as = as;
    this.#notify = notify;
  }

  settle(terminated: Terminated): void {
    if (!this.live) return;
    this.live = false;
    this.#notify(this, terminated);
  }

  callOff(): void {
    if (!this.live) return;
    this.live = false;
    this.release();
  }
}

export function terminatedOf(address: Address, reason: StopReason, detail: string): Terminated {
  const { node, epoch, path } = address;
  return { type: 'runtime.terminated', address: { node, epoch, path }, reason, detail };
}

/** Attaches `watch` to its target, or settles it at once when there is nobody to watch. */
export function attachWatch(
  ground: WatchGround,
  target: Address,
  found: Resolution,
  watcher: Address,
  watch: Watch,
): void {
  if (found === 'no-such-actor') {
    watch.settle(terminatedOf(target, 'not-found', 'no such actor'));
  } else if (found === 'stale-epoch') {
    watch.settle(terminatedOf(target, 'node-down', 'its node is no longer in that epoch'));
  } else if (found === 'remote') {
    attachRemote(ground, target, watcher, watch);
  } else if (!found.addWatcher(watch)) {
    watch.settle(terminatedOf(target, 'not-found', 'it had stopped before'));
  }
}

function attachRemote(
  { remote, incidents }: WatchGround,
  target: Address,
  watcher: Address,
  watch: Watch,
): void {
  if (remote === undefined) {
    watch.settle(terminatedOf(target, 'node-down', 'not connected to other nodes'));
    return;
  }
  watch.release = () => {
    try {
      remote.unwatch(target, watcher);
    } catch (error) {
      incidents.absorb('unwatching on another node threw', watcher.path, error);
    }
  };
  try {
    remote.watch(target, watcher, (terminated) => {
      watch.settle(terminated);
    });
  } catch (error) {
    incidents.absorb('watching on another node threw', watcher.path, error);
    watch.settle(terminatedOf(target, 'node-down', messageOf(error)));
  }
}

/** Those who watch one actor. */
export class Watchers {
  readonly #watches = new Set<Watch>();

  add(watch: Watch): void {
    this.#watches.add(watch);
    watch.release = () => {
      this.#watches.delete(watch);
    };
  }

  /** The watched actor ended. */
  settle(terminated: Terminated): void {
    for (const watch of this.#watches) watch.settle(terminated);
    this.#watches.clear();
  }
}

/** The unsettled watches of one actor, by target. */
export class WatchList {
  readonly #ground: WatchGround;
  readonly #self: Address;
  readonly #notify: (key: string, as: NoticeMapping, terminated: Terminated) => void;
  readonly #watches = new Map<string, Watch>();

  constructor(
    ground: WatchGround,
    self: Address,
    notify: (key: string, as: NoticeMapping, terminated: Terminated) => void,
  ) {
    this.#ground = ground;
    this.#self = self;
    this.#notify = notify;
  }

  watch(target: Address, as: NoticeMapping): void {
    const found = this.#ground.resolve(target);
    const key = watchKey(target, found);
    const known = this.#watches.get(key);
    // A stopped actor settled its watches: a known one is about a successor under the same path.
    if (known !== undefined && (typeof found === 'string' || found.alive)) {
      known.as = as;
      return;
    }
    const watch = new Watch(as, (settled, terminated) => {
      if (this.#watches.get(key) === settled) this.#watches.delete(key);
      this.#notify(key, settled.as, terminated);
    });
    if (known === undefined) this.#watches.set(key, watch);
    attachWatch(this.#ground, target, found, this.#self, watch);
  }

  /** Returns the key under which a notice may already be queued. */
  unwatch(target: Address): string {
    const key = watchKey(target, this.#ground.resolve(target));
    const watch = this.#watches.get(key);
    this.#watches.delete(key);
    watch?.callOff();
    return key;
  }

  clear(): void {
    for (const watch of this.#watches.values()) watch.callOff();
    this.#watches.clear();
  }
}

/** Local actors by path, whatever the epoch in the ref; others by their whole address. */
function watchKey(target: Address, found: Resolution): string {
  return found === 'remote' || found === 'stale-epoch' ? formatAddress(target) : target.path;
}
