/** Faults as deeds: what each kind does to a running stage, and how it is undone when it heals. */

import { refOf } from '../../runtime/actor.ts';
import { assertNever } from '../../runtime/assert.ts';
import type { InstanceState } from '../../actors/domain/instance.ts';
import { localPrincipal } from '../../actors/domain/principal.ts';
import type { SimWorker } from '../cluster/cluster.ts';
import type { SimNode } from '../cluster/network.ts';
import { type Disturbance, undisturbed } from '../bus-model.ts';
import type { FaultKind } from './kinds.ts';
import type { PlannedFault, PlannedQuery } from './plan.ts';
import { beatMs, isInstancePath, missedMax, type Stage } from './stage.ts';
import { stock } from './stock.ts';

/** How often each kind of fault met each instance state. */
export type Met = Map<FaultKind, Map<InstanceState, number>>;

/** Until a process that ended itself is started again. */
const respawnMs = 100;

export class Striker {
  readonly met: Met = new Map();
  struck = 0;
  readonly kinds = new Set<FaultKind>();
  private readonly stage: Stage;
  private readonly undone: (() => void)[] = [];
  private healed = false;

  constructor(stage: Stage) {
    this.stage = stage;
    stage.onExit = (name) => {
      this.later(respawnMs, () => {
        this.revive(name);
      });
    };
  }

  /** @param at The instance that set it off: its worker is the target, where the kind has one. */
  strike(fault: PlannedFault, at?: { readonly node: SimNode; readonly path: string }): void {
    const worker =
      at === undefined ? this.workerBy(fault.draw) : this.stage.cluster.workers.get(at.node.name);
    this.note(fault.kind, worker, at);
    this.struck += 1;
    this.kinds.add(fault.kind);
    this.perform(fault, worker, at?.path);
  }

  /** Everything that still lasts ends, and everybody who is gone comes back. */
  heal(): void {
    this.healed = true;
    for (const undo of this.undone.splice(0)) undo();
    this.stage.cluster.network.bus?.partition(new Map());
    const { cluster, plan } = this.stage;
    for (const tower of this.stage.towers.values()) tower.pardon();
    if (cluster.controller === undefined) cluster.startController();
    for (let at = 1; at <= plan.gateways; at += 1) this.reviveGateway(`g${String(at)}`);
    for (let at = 1; at <= plan.workers; at += 1) this.reviveWorker(`w${String(at)}`);
  }

  private perform(fault: PlannedFault, worker: SimWorker | undefined, path?: string): void {
    const { kind, draw, forMs } = fault;
    switch (kind) {
      case 'crash-worker':
        if (worker !== undefined) this.crashWorker(worker.node.name, forMs);
        return;
      case 'crash-controller':
        this.crashController(forMs);
        return;
      case 'crash-gateway':
        this.crashGateway(draw, forMs);
        return;
      case 'crash-engine':
        worker?.engine.crash('killed');
        return;
      case 'fail-worker':
      case 'fail-monitor':
      case 'fail-instance':
      case 'fail-dispatcher':
      case 'fail-controller':
        this.failActor(kind, worker, draw, path);
        return;
      case 'partition':
        this.partition(draw, forMs);
        return;
      case 'cut':
        this.cut(this.nodeBy(draw), forMs);
        return;
      case 'loss':
      case 'duplication':
      case 'delay':
      case 'reordering':
      case 'corruption':
        this.disturb(kind, draw, forMs);
        return;
      case 'slow-engine':
        if (worker !== undefined) this.slow(worker, 2 + 8 * draw, forMs);
        return;
      case 'hanging-engine':
      case 'failing-engine':
        if (worker !== undefined) this.troubleEngine(kind, worker, forMs);
        return;
      case 'flood':
        this.flood(draw);
        return;
      case 'clock-jump':
        this.tamper(this.nodeBy(draw), (node) => node.host.jumpClock(50 + 2_000 * draw));
        return;
      case 'freeze':
        this.tamper(worker !== undefined && draw < 0.6 ? worker.node : this.nodeBy(draw), (node) =>
          node.host.freeze(forMs),
        );
        return;
      case 'unload':
        this.unload(worker, draw);
        return;
      case 'register':
        this.register(draw, forMs);
        return;
      default:
        assertNever(kind);
    }
  }

  private note(
    kind: FaultKind,
    worker: SimWorker | undefined,
    at: { readonly node: SimNode; readonly path: string } | undefined,
  ): void {
    const wide = !workerKinds.has(kind);
    let row = this.met.get(kind);
    if (row === undefined) this.met.set(kind, (row = new Map<InstanceState, number>()));
    for (const { node } of this.stage.cluster.workers.values()) {
      if (!wide && node !== worker?.node) continue;
      for (const state of this.statesOn(node, at?.node === node ? at.path : undefined)) {
        row.set(state, (row.get(state) ?? 0) + 1);
      }
    }
  }

  /** Of the instances its worker knows, and of the one that set the fault off. */
  private *statesOn(node: SimNode, path: string | undefined): IterableIterator<InstanceState> {
    const { states } = this.stage.towerOf(node);
    const working = states.get('/worker') as KnowsInstances | undefined;
    const known = new Set([...(working?.instances.values() ?? [])].map(({ ref }) => ref.path));
    if (path !== undefined) known.add(path);
    for (const each of known) {
      const serving = states.get(each) as { readonly state: InstanceState } | undefined;
      if (serving !== undefined) yield serving.state;
    }
  }

  private workerBy(draw: number): SimWorker | undefined {
    return pick([...this.stage.cluster.workers.values()], draw);
  }

  private nodeBy(draw: number): SimNode | undefined {
    return pick([...this.stage.cluster.nodes()], draw);
  }

  private crashWorker(name: string, forMs: number): void {
    this.stage.cluster.crash(name);
    this.later(forMs, () => {
      this.reviveWorker(name);
    });
  }

  private crashController(forMs: number): void {
    const { cluster } = this.stage;
    cluster.crash('controller');
    this.later(forMs, () => {
      if (cluster.controller === undefined) cluster.startController();
    });
  }

  private crashGateway(draw: number, forMs: number): void {
    const gateway = pick([...this.stage.cluster.gateways.keys()], draw);
    if (gateway === undefined) return;
    this.stage.cluster.crash(gateway);
    this.later(forMs, () => {
      this.reviveGateway(gateway);
    });
  }

  private revive(name: string): void {
    const { cluster } = this.stage;
    if (name.startsWith('w')) this.reviveWorker(name);
    else if (name.startsWith('g')) this.reviveGateway(name);
    else if (cluster.controller === undefined) cluster.startController();
  }

  private reviveWorker(name: string): void {
    if (!this.stage.cluster.workers.has(name)) this.stage.startWorker(name);
  }

  private reviveGateway(name: string): void {
    const { cluster } = this.stage;
    if (!cluster.gateways.has(name)) cluster.startGateway(name);
  }

  private failActor(
    kind: Extract<FaultKind, `fail-${string}`>,
    worker: SimWorker | undefined,
    draw: number,
    path: string | undefined,
  ): void {
    const { cluster } = this.stage;
    if (kind === 'fail-dispatcher') {
      const gateway = pick([...cluster.gateways.values()], draw);
      if (gateway !== undefined) this.stage.towerOf(gateway.node).condemn('/dispatcher');
      return;
    }
    if (kind === 'fail-controller') {
      const node = cluster.controller?.node;
      if (node !== undefined) this.stage.towerOf(node).condemn('/controller');
      return;
    }
    if (worker === undefined) return;
    const tower = this.stage.towerOf(worker.node);
    if (kind === 'fail-worker') tower.condemn('/worker');
    else if (kind === 'fail-monitor') tower.condemn('/worker/monitor');
    else {
      const working = tower.states.get('/worker') as KnowsInstances | undefined;
      const paths = [...(working?.instances.values() ?? [])].map(({ ref }) => ref.path);
      const chosen = path !== undefined && isInstancePath(path) ? path : pick(paths, draw);
      if (chosen !== undefined) tower.condemn(chosen);
    }
  }

  /** Long enough to be noticed; what is shorter is a loss. */
  private partition(draw: number, forMs: number): void {
    const { bus } = this.stage.cluster.network;
    const sides = new Map<string, number>();
    let bits = Math.floor(draw * 2 ** 16);
    for (const { name } of this.stage.cluster.nodes()) {
      sides.set(name, bits & 1);
      bits >>= 1;
    }
    bus?.partition(sides);
    this.later((missedMax + 2) * beatMs + forMs, () => bus?.partition(new Map()));
  }

  private cut(node: SimNode | undefined, forMs: number): void {
    node?.connection?.cut();
    this.later(forMs, () => node?.connection?.restore());
  }

  private disturb(
    kind: 'loss' | 'duplication' | 'delay' | 'reordering' | 'corruption',
    draw: number,
    forMs: number,
  ): void {
    const { bus } = this.stage.cluster.network;
    if (bus === undefined) return;
    const share = 0.05 + 0.3 * draw;
    const disturbance: Disturbance = {
      ...undisturbed,
      ...(kind === 'loss' ? { lossShare: share } : {}),
      ...(kind === 'duplication' ? { duplicateShare: share } : {}),
      ...(kind === 'delay' ? { delayShare: share, delayMs: forMs } : {}),
      ...(kind === 'reordering' ? { reorderShare: share } : {}),
      ...(kind === 'corruption' ? { corruptShare: share } : {}),
    };
    bus.disturbance = disturbance;
    this.later(forMs, () => {
      if (bus.disturbance !== disturbance) return;
      bus.disturbance = undisturbed;
      if (kind === 'loss' || kind === 'reordering') this.reconnectAll();
    });
  }

  /**
   * A broker that drops what a connection is too slow for closes that connection; and while one
   * lasts it keeps order, so that what overtakes has come by another.
   */
  private reconnectAll(): void {
    for (const { connection } of this.stage.cluster.nodes()) {
      connection?.cut();
      connection?.restore();
    }
  }

  private slow({ engine }: SimWorker, slowness: number, forMs: number): void {
    engine.slowness = slowness;
    this.later(forMs, () => {
      engine.slowness = 1;
    });
  }

  private troubleEngine(
    kind: 'hanging-engine' | 'failing-engine',
    { node }: SimWorker,
    forMs: number,
  ): void {
    const { engineFaults } = this.stage;
    engineFaults.set(node.name, kind === 'hanging-engine' ? 'hangs' : 'fails');
    this.later(forMs, () => engineFaults.delete(node.name));
  }

  /** More at one instant than mailboxes and queues take. */
  private flood(draw: number): void {
    const { cluster } = this.stage;
    const gateway = Math.floor(draw * this.stage.plan.gateways);
    const count = 50 + Math.floor(draw * 200);
    for (let at = 0; at < count; at += 1) {
      const query: PlannedQuery = {
        atMs: cluster.nowMs(),
        gateway,
        selector: at % 3 === 0 ? 'variant' : 'task',
        variant: at % 3,
        batch: 1,
        latencyMs: undefined,
        accuracyMin: undefined,
        onMiss: 'best-effort',
        timeoutMs: 400 + at,
        cancelAfterMs: undefined,
        tenant: 'a',
      };
      this.stage.submit(query);
    }
  }

  private tamper(node: SimNode | undefined, how: (node: SimNode) => void): void {
    if (node === undefined) return;
    this.stage.outOfTime.add(node);
    how(node);
  }

  private unload(worker: SimWorker | undefined, draw: number): void {
    const variantId = pick(stock, draw)?.id;
    if (worker === undefined || variantId === undefined) return;
    worker.node.host.tell(worker.ref, { type: 'worker.unload-variant', variantId });
  }

  /** A model is registered anew; half the time the controller dies in the middle of it. */
  private register(draw: number, forMs: number): void {
    const { controller } = this.stage.cluster;
    const variant = pick(stock, draw);
    if (controller === undefined || variant === undefined) return;
    const { host } = controller.node;
    const revised = { ...variant, batchMax: 4 + Math.floor(draw * 8) };
    host.tell(controller.registrar, {
      type: 'registrar.register-model',
      principal: localPrincipal,
      variant: revised,
      // Whoever asked does not wait for the outcome.
      replyTo: refOf(host.node, 0, '/nobody'),
    });
    if ((draw * 100) % 1 < 0.5) this.later(draw, () => this.crashController(forMs), false);
  }

  /** @param undo Whether it is to be done at the latest when everything heals. */
  private later(delayMs: number, act: () => void, undo = true): void {
    let done = false;
    const once = (): void => {
      if (done || (this.healed && !undo)) return;
      done = true;
      act();
    };
    this.stage.cluster.simulation.clock.schedule(delayMs, once);
    if (undo) this.undone.push(once);
  }
}

interface KnowsInstances {
  readonly instances: ReadonlyMap<string, { readonly ref: { readonly path: string } }>;
}

/** These have one worker for a target; the others concern the whole system. */
const workerKinds: ReadonlySet<FaultKind> = new Set([
  'crash-worker',
  'crash-engine',
  'fail-worker',
  'fail-monitor',
  'fail-instance',
  'slow-engine',
  'hanging-engine',
  'failing-engine',
  'unload',
]);

function pick<T>(choices: readonly T[], draw: number): T | undefined {
  return choices[Math.min(choices.length - 1, Math.floor(draw * choices.length))];
}
