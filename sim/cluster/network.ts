/**
 * What the nodes of a simulated system are joined by: the bus as a model under the real remoting
 * (every message encoded, every beat sent), or a direct link where neither is what is studied.
 */

import type { NodeKind } from '../../actors/controller/protocol.ts';
import type { NodeId } from '../../runtime/actor.ts';
import { silentLogger } from '../../runtime/log.ts';
import { splitRandom } from '../../runtime/random.ts';
import type { BodyDecoders } from '../../runtime/remote-inbound.ts';
import { createRemoting, type Remoting } from '../../runtime/remote.ts';
import { type BusConnection, BusModel } from '../bus-model.ts';
import { CountedMetrics } from '../counted-metrics.ts';
import type { SimHost, Simulation } from '../sim-host.ts';
import { DirectLink } from './direct-link.ts';

export type NetworkOptions =
  | {
      readonly kind: 'direct';
      readonly delayMs: number;
      /** Until the crash of a node is noticed. */
      readonly silentMs: number;
    }
  | {
      readonly kind: 'bus';
      readonly latencyMs: number;
      readonly jitterMs: number;
      readonly beatMs: number;
      readonly missedMax: number;
      /** What checks messages at a node's edge. */
      readonly decoders: BodyDecoders;
    };

/** One process, from its start to its end. */
export interface SimNode {
  readonly name: NodeId;
  readonly kind: NodeKind;
  /** Counts the processes that bore this name, from 1. */
  readonly life: number;
  readonly host: SimHost;
  readonly metrics: CountedMetrics;
  readonly connection: BusConnection | undefined;
  readonly remoting: Remoting | undefined;
  /** Called when this process stood still so long that it has to join again. */
  onStalled: (() => void) | undefined;
  /** Called when another process took over its name. */
  onSuperseded: (() => void) | undefined;
  alive: boolean;
}

export class Network {
  readonly bus: BusModel | undefined;
  private readonly simulation: Simulation;
  private readonly options: NetworkOptions;
  private readonly link: DirectLink | undefined;

  constructor(simulation: Simulation, options: NetworkOptions) {
    this.simulation = simulation;
    this.options = options;
    if (options.kind === 'direct') this.link = new DirectLink(simulation, options);
    else {
      const random = splitRandom(simulation.seed, 'bus');
      this.bus = new BusModel({ random, ...options });
    }
  }

  /** A new process of that name. On a bus it has no epoch until it joins. */
  open(name: NodeId, kind: NodeKind, life: number): SimNode {
    const metrics = new CountedMetrics();
    if (this.link !== undefined) {
      const host = this.link.start(name, life, { metrics });
      return {
        ...{ name, kind, life, host, metrics, alive: true },
        ...{ connection: undefined, remoting: undefined },
        ...{ onStalled: undefined, onSuperseded: undefined },
      };
    }
    return this.openOnBus(name, kind, life, metrics);
  }

  /** The process is gone at once. */
  crash(node: SimNode): void {
    node.alive = false;
    node.host.crash();
    node.connection?.drop();
    this.link?.crash(node.name);
  }

  private openOnBus(name: NodeId, kind: NodeKind, life: number, metrics: CountedMetrics): SimNode {
    const { bus, options, simulation } = this;
    if (bus === undefined || options.kind !== 'bus') throw new Error('there is no bus');
    const who = `${name} ${String(life)}`;
    const aheadMs = Math.floor(splitRandom(simulation.seed, `clock ${who}`)() * 1_000_000);
    const host = simulation.host(name, { metrics, aheadMs });
    const connection = bus.connect(name, host.clock);
    const node: SimNode = {
      ...{ name, kind, life, host, metrics, connection, alive: true },
      ...{ remoting: undefined, onStalled: undefined, onSuperseded: undefined },
    };
    const remoting = createRemoting({
      ...{ host, bus: connection, clock: host.clock, log: silentLogger, metrics, node: name, kind },
      incarnation: who,
      decoders: options.decoders,
      beatMs: options.beatMs,
      missedMax: options.missedMax,
      onSuperseded: () => node.onSuperseded?.(),
      onStalled: () => node.onStalled?.(),
    });
    return Object.assign(node, { remoting });
  }
}
