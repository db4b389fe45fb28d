/**
 * Nodes of one simulation joined by a wire of constant delay, in place of bus and remoting where
 * those are not what is studied: nothing is encoded, so a message costs an event and no more.
 * Messages keep their order from one node to another; a node that crashes is found out a while
 * later.
 */

import type { Address, RemotePort, Terminated } from '../../runtime/actor.ts';
import { formatAddress } from '../../runtime/actor.ts';
import { Ring } from '../../runtime/mailbox.ts';
import type { SimEvent } from '../event-heap.ts';
import type { SimHost, SimHostOptions, Simulation } from '../sim-host.ts';

export interface LinkOptions {
  readonly delayMs: number;
  /** Until the crash of a node is noticed: three beats, say. */
  readonly silentMs: number;
  /** Messages arrive as copies, so that actors cannot share what they change. Default: no. */
  readonly copies?: boolean;
}

interface RemoteWatch {
  readonly target: Address;
  readonly notify: (terminated: Terminated) => void;
  cancel: () => void;
}

/**
 * The way from one node to another; it is the event of each arrival, which takes the first thing
 * that is on its way. Nothing is allocated for a message.
 */
class Wire implements SimEvent {
  /** By twos: an address and the message to it, or undefined and what to do on arrival. */
  private readonly carried = new Ring<unknown>();
  private readonly deliver: (to: Address, message: unknown) => void;

  constructor(deliver: (to: Address, message: unknown) => void) {
    this.deliver = deliver;
  }

  put(to: Address | undefined, content: unknown): void {
    this.carried.push(to);
    this.carried.push(content);
  }

  fire(): void {
    const to = this.carried.shift() as Address | undefined;
    const content = this.carried.shift();
    if (to === undefined) (content as () => void)();
    else this.deliver(to, content);
  }
}

export class DirectLink {
  private readonly hosts = new Map<string, SimHost>();
  private readonly watches = new Map<string, RemoteWatch>();
  /** By sender, by receiver. */
  private readonly wires = new Map<string, Map<string, Wire>>();
  private readonly cut = new Set<string>();
  private readonly simulation: Simulation;
  private readonly options: LinkOptions;

  constructor(simulation: Simulation, options: LinkOptions) {
    this.simulation = simulation;
    this.options = options;
  }

  /** A new life of `node`, under `epoch`. */
  start(node: string, epoch: number, options: SimHostOptions = {}): SimHost {
    const host = this.simulation.host(node, options);
    host.epoch = epoch;
    host.connectRemote(this.remoteOf(node));
    this.hosts.set(node, host);
    return host;
  }

  /** The process is gone; others learn of it when they have heard nothing for a while. */
  crash(node: string): void {
    this.hosts.get(node)?.crash();
    this.hosts.delete(node);
    const lost = [...this.watches].filter(([, { target }]) => target.node === node);
    this.simulation.clock.schedule(this.options.silentMs, () => {
      for (const [key, watch] of lost) this.settle(key, watch, 'node-down', 'it fell silent');
    });
  }

  /** From now on `node` neither sends nor receives a message, silently; or does again. */
  setCut(node: string, isCut: boolean): void {
    if (isCut) this.cut.add(node);
    else this.cut.delete(node);
  }

  private remoteOf(from: string): RemotePort {
    const keyOf = (target: Address, watcher: Address): string =>
      `${from}${watcher.path} ${formatAddress(target)}`;
    return {
      send: (to, message) => {
        if (this.cut.size > 0 && (this.cut.has(from) || this.cut.has(to.node))) return undefined;
        const copy: unknown = this.options.copies === true ? structuredClone(message) : message;
        this.put(from, to.node, to, copy);
        return undefined;
      },
      watch: (target, watcher, notify) => {
        this.watch(from, keyOf(target, watcher), target, notify);
      },
      unwatch: (target, watcher) => {
        const key = keyOf(target, watcher);
        this.watches.get(key)?.cancel();
        this.watches.delete(key);
      },
    };
  }

  private watch(
    from: string,
    key: string,
    target: Address,
    notify: (terminated: Terminated) => void,
  ): void {
    const watch: RemoteWatch = { target, notify, cancel: () => undefined };
    this.watches.set(key, watch);
    this.carry(from, target.node, () => {
      const host = this.hosts.get(target.node);
      if (host?.epoch !== target.epoch) {
        this.settle(key, watch, 'node-down', 'it is not there');
        return;
      }
      watch.cancel = host.watch(target, ({ reason, detail }) => {
        this.carry(target.node, from, () => this.settle(key, watch, reason, detail));
      });
    });
  }

  private settle(
    key: string,
    watch: RemoteWatch,
    reason: Terminated['reason'],
    detail: string,
  ): void {
    if (this.watches.get(key) !== watch) return;
    this.watches.delete(key);
    watch.notify({ type: 'runtime.terminated', address: watch.target, reason, detail });
  }

  /** After the delay, in the order of carrying. */
  private carry(from: string, to: string, deliver: () => void): void {
    this.put(from, to, undefined, deliver);
  }

  private put(from: string, to: string, address: Address | undefined, content: unknown): void {
    const wire = this.wires.get(from)?.get(to) ?? this.wireOf(from, to);
    wire.put(address, content);
    this.simulation.clock.push(this.options.delayMs, wire);
  }

  private wireOf(from: string, to: string): Wire {
    const wire = new Wire((address, message) => {
      const host = this.hosts.get(address.node);
      // What is for an earlier life of the node is dropped.
      if (address.epoch === 0 || address.epoch === host?.epoch)
        host?.deliver(address.path, message);
    });
    const wires = this.wires.get(from) ?? new Map<string, Wire>();
    this.wires.set(from, wires.set(to, wire));
    return wire;
  }
}
