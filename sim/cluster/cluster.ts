/**
 * A whole system under virtual time: the actors of production on simulated nodes, with models of
 * engines, store and network below them. What differs from production is what `nodes/` does there.
 */

import {
  type ControllerConfig,
  type ControllerOptions,
  controllerSpec,
} from '../../actors/controller/behaviour.ts';
import type { ControllerMessage, JoinOutcome } from '../../actors/controller/protocol.ts';
import {
  type DispatcherConfig,
  type DispatcherOptions,
  dispatcherSpec,
} from '../../actors/dispatcher/behaviour.ts';
import type { DispatcherMessage } from '../../actors/dispatcher/protocol.ts';
import type { Hardware } from '../../actors/domain/hardware.ts';
import { type FleetConfig, fleetAutoscalerSpec } from '../../actors/fleet-autoscaler/behaviour.ts';
import type { ProvisionerCommand } from '../../actors/fleet-autoscaler/protocol.ts';
import type { Variant } from '../../actors/domain/variant.ts';
import { type RegistrarConfig, registrarSpec } from '../../actors/registrar/behaviour.ts';
import type { StepCommand } from '../../actors/registrar/steps-port.ts';
import type { RegistrarMessage } from '../../actors/registrar/protocol.ts';
import {
  type WorkerConfig,
  type WorkerOptions,
  workerSpec,
} from '../../actors/worker/behaviour.ts';
import type { WorkerMessage } from '../../actors/worker/protocol.ts';
import { type ActorSpec, type NodeId, type Ref, refOf } from '../../runtime/actor.ts';
import { assert } from '../../runtime/assert.ts';
import { grantEpoch } from '../../runtime/membership.ts';
import { splitRandom } from '../../runtime/random.ts';
import { EngineModel, type EngineModelOptions } from '../engine-model.ts';
import { createSimulation, type Simulation, type SimulationOptions } from '../sim-host.ts';
import { StoreModel } from '../store-model.ts';
import { type AnswerListener, GatewayDesk } from './gateway-desk.ts';
import { controllerNode, controllerRef, joinSystem } from './joining.ts';
import { fleetRef } from './scaling.ts';
import { Network, type NetworkOptions, type SimNode } from './network.ts';

/** How each actor is made; a test may put a changed one in the place of any. */
export interface SpecFactories {
  controller(options: ControllerOptions): ActorSpec<unknown, ControllerMessage>;
  dispatcher(options: DispatcherOptions): ActorSpec<unknown, DispatcherMessage>;
  worker(options: WorkerOptions): ActorSpec<unknown, WorkerMessage>;
}

export type Role = keyof SpecFactories | 'registrar' | 'fleet-autoscaler';

/** What every spec goes through before it is spawned on a node. */
export type SpecWrap = <S, M>(spec: ActorSpec<S, M>, node: SimNode, role: Role) => ActorSpec<S, M>;

export interface ClusterConfig {
  readonly controller: ControllerConfig;
  readonly dispatcher: DispatcherConfig;
  readonly worker: WorkerConfig;
}

export interface ClusterFleet {
  readonly config: FleetConfig;
  /** Starts and ends workers. */
  readonly provision: (command: ProvisionerCommand) => void;
}

export interface ClusterOptions {
  readonly seed: number;
  readonly simulation?: Omit<SimulationOptions, 'seed'>;
  readonly network: NetworkOptions;
  readonly config: ClusterConfig;
  /** Undefined: there is no fleet-autoscaler. */
  readonly fleet?: ClusterFleet | undefined;
  /** Registered before the system starts. */
  readonly variants: readonly Variant[];
  readonly storeWriteMs?: number;
  readonly specs?: Partial<SpecFactories>;
  readonly wrap?: SpecWrap;
  /** A process ended itself since another took over its name; it is gone when this is called. */
  readonly onExit?: (name: NodeId) => void;
  /** Told of every terminal answer, once a query. */
  readonly onAnswer: AnswerListener;
}

export interface WorkerSettings {
  readonly name: NodeId;
  readonly hardware: readonly Hardware[];
  readonly engine?: Partial<Omit<EngineModelOptions, 'host' | 'clock' | 'random'>>;
}

export interface SimWorker {
  readonly node: SimNode;
  readonly settings: WorkerSettings;
  readonly engine: EngineModel;
  readonly ref: Ref<WorkerMessage>;
}

export interface SimGateway {
  readonly node: SimNode;
  readonly dispatcher: Ref<DispatcherMessage>;
  readonly desk: GatewayDesk;
}

export interface SimController {
  readonly node: SimNode;
  readonly registrar: Ref<RegistrarMessage>;
  /** Where there is a fleet-autoscaler: whom it asks for workers. */
  readonly provisioner: Ref<ProvisionerCommand> | undefined;
}

const storeWriteMs = 1;

/** As `nodes/parts/controller-part.ts` does: it may have been given up in its absence. */
function askToAttach({ host }: SimNode, name: NodeId): void {
  host.tell(refOf<JoinOutcome>(name, 0, '/join'), { type: 'node.attach-wanted' });
}

const registrarLimits: RegistrarConfig = {
  ...{ registrationsMax: 1, quickProfileMs: 1_500, profileMs: 10_000, familyMs: 150_000 },
  ...{ storeMs: 10_000, collectAfterMs: 60_000 },
  ...{ reprofilePauseMs: 600_000, reprofilePauseMaxMs: 86_400_000 },
  profilingUtilisationMax: 0.1,
};

export class Cluster {
  readonly simulation: Simulation;
  readonly network: Network;
  readonly store: StoreModel;
  readonly workers = new Map<NodeId, SimWorker>();
  readonly gateways = new Map<NodeId, SimGateway>();
  controller: SimController | undefined;
  private readonly options: ClusterOptions;
  private readonly factories: SpecFactories;
  private readonly lives = new Map<NodeId, number>();

  constructor(options: ClusterOptions) {
    this.options = options;
    this.simulation = createSimulation({ ...options.simulation, seed: options.seed });
    this.network = new Network(this.simulation, options.network);
    this.store = new StoreModel(options.storeWriteMs ?? storeWriteMs, options.variants);
    // A spec hides its state: whoever spawns it never looks.
    this.factories = {
      controller: controllerSpec,
      dispatcher: dispatcherSpec,
      worker: workerSpec,
      ...options.specs,
    } as SpecFactories;
  }

  nowMs(): number {
    return this.simulation.nowMs();
  }

  /** The nodes that live now. */
  *nodes(): IterableIterator<SimNode> {
    if (this.controller !== undefined) yield this.controller.node;
    for (const { node } of this.gateways.values()) yield node;
    for (const { node } of this.workers.values()) yield node;
  }

  startController(): SimController {
    assert(this.controller === undefined, 'there is one controller');
    const { config } = this.options;
    const node = this.open(controllerNode, 'controller');
    const { host } = node;
    const storePort = this.store.port(host);
    if (node.remoting !== undefined) {
      const request = { node: controllerNode, incarnation: `life ${String(node.life)}` };
      const grant = grantEpoch(
        this.store.read().epochs,
        // A life before this one may have died before its epoch was written.
        { ...request, requestId: 'start', epochSeen: node.life - 1 },
        host.clock.nowMs(),
      );
      const key = `epoch/${controllerNode}`;
      host.tell(storePort, { type: 'store.put', key, value: grant.record });
      node.remoting.setEpoch(grant.epoch);
    }
    const options = { store: storePort, stored: () => this.store.read() };
    const spec = this.factories.controller({ ...options, config: config.controller });
    const controller = host.spawn(this.wrapped(spec, node, 'controller'), 'controller');
    const { mailboxMax } = config.controller;
    const registrar = host.spawn(
      this.wrapped(
        registrarSpec({
          ...{ controller, mailboxMax, config: registrarLimits },
          // Models come measured here: no step is ever asked for.
          steps: host.port<StepCommand>('steps', () => undefined),
        }),
        node,
        'registrar',
      ),
      'registrar',
    );
    node.remoting?.onNode((event) => {
      if (event.type === 'up') askToAttach(node, event.node);
    });
    this.controller = { node, registrar, provisioner: this.startFleet(node) };
    return this.controller;
  }

  private startFleet(node: SimNode): Ref<ProvisionerCommand> | undefined {
    const { fleet } = this.options;
    if (fleet === undefined) return undefined;
    const provisioner = node.host.port<ProvisionerCommand>('provisioner', fleet.provision);
    const spec = fleetAutoscalerSpec({ config: fleet.config, controller: controllerRef });
    node.host.spawn(this.wrapped(spec, node, 'fleet-autoscaler'), 'fleet-autoscaler');
    return provisioner;
  }

  startGateway(name: NodeId): SimGateway {
    const node = this.open(name, 'gateway');
    const { host, connection, remoting } = node;
    const desk: GatewayDesk = new GatewayDesk(host, this.options.onAnswer);
    const spec = this.factories.dispatcher({
      config: this.options.config.dispatcher,
      controller: controllerRef,
      epoch: () => host.epoch,
      gateways: () => [desk.port],
    });
    const dispatcher = host.spawn(this.wrapped(spec, node, 'dispatcher'), 'dispatcher');
    desk.open(dispatcher);
    connection?.onStatus((status) => {
      const connected = status === 'connected';
      host.tell(dispatcher, { type: 'dispatcher.bus-changed', connected });
    });
    remoting?.onLoss((lost) => {
      host.tell(dispatcher, { type: 'dispatcher.messages-lost', node: lost });
    });
    joinSystem(node, [{ type: 'controller.attach-dispatcher', dispatcher }]);
    const gateway = { node, dispatcher, desk };
    this.gateways.set(name, gateway);
    return gateway;
  }

  startWorker(settings: WorkerSettings): SimWorker {
    const { name, hardware } = settings;
    const node = this.open(name, 'worker');
    const { host } = node;
    const random = splitRandom(this.options.seed, `engine ${name} ${String(node.life)}`);
    const engine = new EngineModel({
      ...{ host, clock: host.clock, random },
      cores: hardware.reduce((sum, { units }) => sum + units, 0),
      ...settings.engine,
    });
    const spec = this.factories.worker({
      ...{ id: name, node: name, hardware, engine: engine.port, controller: controllerRef },
      epoch: () => host.epoch,
      fleet: this.options.fleet === undefined ? undefined : fleetRef,
      config: this.options.config.worker,
    });
    const ref = host.spawn(this.wrapped(spec, node, 'worker'), 'worker');
    joinSystem(node, [{ type: 'controller.attach-worker', worker: ref }]);
    const worker = { node, settings, engine, ref };
    this.workers.set(name, worker);
    return worker;
  }

  /** The process of that name is gone; what its gateway had not answered never will be. */
  crash(name: NodeId): void {
    const node = this.nodeOf(name);
    if (node === undefined) return;
    this.network.crash(node);
    this.workers.delete(name);
    this.gateways.delete(name);
    if (this.controller?.node === node) this.controller = undefined;
  }

  nodeOf(name: NodeId): SimNode | undefined {
    for (const node of this.nodes()) if (node.name === name) return node;
    return undefined;
  }

  private open(name: NodeId, kind: SimNode['kind']): SimNode {
    const life = (this.lives.get(name) ?? 0) + 1;
    this.lives.set(name, life);
    const node = this.network.open(name, kind, life);
    node.onSuperseded = () => {
      this.crash(name);
      this.options.onExit?.(name);
    };
    return node;
  }

  private wrapped<S, M>(spec: ActorSpec<S, M>, node: SimNode, role: Role): ActorSpec<S, M> {
    return this.options.wrap?.(spec, node, role) ?? spec;
  }
}
