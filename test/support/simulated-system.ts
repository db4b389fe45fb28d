/**
 * A whole system under virtual time: controller, registrar and dispatcher on one node, workers with
 * modelled engines on others. Each answer is made of its query's inputs, so that a mix-up shows.
 */

import { controllerSpec } from '../../actors/controller/behaviour.ts';
import type { ControllerMessage, StoreCommand } from '../../actors/controller/protocol.ts';
import { dispatcherSpec } from '../../actors/dispatcher/behaviour.ts';
import type { DispatcherMessage, GatewayMessage } from '../../actors/dispatcher/protocol.ts';
import { localPrincipal } from '../../actors/domain/principal.ts';
import type { QueryAnswer, QueryRequest } from '../../actors/domain/query.ts';
import type { Variant } from '../../actors/domain/variant.ts';
import type { EngineQuery } from '../../actors/instance/engine-port.ts';
import { offlineSpec } from '../../actors/offline/behaviour.ts';
import type { OfflineFilesCommand } from '../../actors/offline/files-port.ts';
import { registrarSpec } from '../../actors/registrar/behaviour.ts';
import type { RegisterOutcome, RegistrarMessage } from '../../actors/registrar/protocol.ts';
import type { StepCommand } from '../../actors/registrar/steps-port.ts';
import { registrarLimits } from './registrar-limits.ts';
import { type WorkerConfig, workerSpec } from '../../actors/worker/behaviour.ts';
import type { ActorSpec, Ref } from '../../runtime/actor.ts';
import { splitRandom } from '../../runtime/random.ts';
import { type NamedTensors, typedArrayOf } from '../../runtime/wire/tensors.ts';
import { DirectLink } from '../../sim/cluster/direct-link.ts';
import { EngineModel, type EngineModelOptions } from '../../sim/engine-model.ts';
import { createSimulation, type SimHost, type Simulation } from '../../sim/sim-host.ts';
import { MemoryJobFiles, testOfflineConfig } from './memory-job-files.ts';
import { floats, mebibyte } from './variants.ts';
import { cpuOf, testWorkerConfig } from './worker-stage.ts';

export interface SystemOptions {
  readonly seed: number;
  readonly variants: readonly Variant[];
  readonly workers: readonly string[];
  readonly worker?: Partial<WorkerConfig>;
  readonly engine?: Partial<EngineModelOptions>;
}

export interface Answered {
  readonly atMs: number;
  readonly answer: QueryAnswer;
}

/** What a request may leave out. */
export type RequestParts = Partial<QueryRequest>;

interface Worker {
  readonly engine: EngineModel;
  readonly epoch: number;
}

const dispatcherConfig = {
  mailboxMax: 10_000,
  inFlightMax: 1_000,
  inFlightPerTenantMax: 1_000,
  batchMax: 8,
  attemptsMax: 2,
  lossesMax: 8,
  explainedMax: 100,
  selection: 'cheapest',
  hopMs: 0.5,
} as const;

export class SimulatedSystem {
  readonly simulation: Simulation;
  readonly answered: Answered[] = [];
  readonly stored: StoreCommand[] = [];
  readonly registered: RegisterOutcome[] = [];
  private readonly options: SystemOptions;
  private readonly links: DirectLink;
  private readonly host: SimHost;
  private readonly controller: Ref<ControllerMessage>;
  private readonly dispatcher: Ref<DispatcherMessage>;
  private readonly gateway: Ref<GatewayMessage>;
  private readonly registrar: Ref<RegistrarMessage>;
  private readonly submitter: Ref<RegisterOutcome>;
  private readonly workers = new Map<string, Worker>();
  private table: { readonly size: number } = { size: 0 };

  constructor(options: SystemOptions) {
    this.options = options;
    this.simulation = createSimulation({ seed: options.seed });
    this.links = new DirectLink(this.simulation, {
      delayMs: 0.2,
      silentMs: 750,
      copies: true,
    });
    const host = this.links.start('gateway', 1);
    this.host = host;
    const store = host.port<StoreCommand>('store', (command) => this.stored.push(command));
    const limits = { mailboxMax: 1_000, nodesMax: 10 };
    const stored = () => ({ epochs: {}, families: [] });
    this.controller = host.spawn(controllerSpec({ store, stored, config: limits }), 'controller');
    this.registrar = host.spawn(
      registrarSpec({
        controller: this.controller,
        steps: host.port<StepCommand>('steps', () => undefined),
        mailboxMax: 1_000,
        config: registrarLimits,
      }),
      'registrar',
    );
    this.submitter = host.port<RegisterOutcome>('submitter', (outcome) =>
      this.registered.push(outcome),
    );
    this.gateway = host.port<GatewayMessage>('gateway', (message) => {
      if (message.type !== 'gateway.query-answered') return;
      this.answered.push({ atMs: this.simulation.nowMs(), answer: message.answer });
    });
    this.dispatcher = host.spawn(this.watched(), 'dispatcher');
    for (const variant of options.variants) this.register(variant);
    for (const node of options.workers) this.startWorker(node);
  }

  /** Queries that have no answer yet, as the dispatcher counts them. */
  get inFlight(): number {
    return this.table.size;
  }

  run(ms: number): this {
    this.simulation.run(this.simulation.nowMs() + ms);
    return this;
  }

  /** Does it `atMs` from now, among everything else that happens then. */
  at(atMs: number, act: () => void): this {
    this.simulation.clock.schedule(atMs, act);
    return this;
  }

  /** A pair of numbers, to be added up. */
  submit(queryId: string, pair: readonly [number, number], parts: RequestParts = {}): void {
    this.host.tell(this.dispatcher, {
      type: 'dispatcher.submit-query',
      queryId,
      principal: localPrincipal,
      receivedMs: this.simulation.nowMs(),
      request: {
        id: queryId,
        selector: { by: 'task', task: 'pairs', dataset: undefined },
        slo: {},
        onMiss: 'best-effort',
        timeoutMs: 2_000,
        priority: 0,
        inputs: { x: floats([1, 2], ...pair) },
        outputs: undefined,
        ...parts,
      },
      replyTo: this.gateway,
    });
  }

  register(variant: Variant): void {
    this.host.tell(this.registrar, {
      type: 'registrar.register-model',
      principal: localPrincipal,
      variant,
      replyTo: this.submitter,
    });
  }

  /** Spawns the offline actor, with a job of so many pairs. */
  startOffline(items: number): MemoryJobFiles {
    const files = new MemoryJobFiles(
      Array.from({ length: items }, (_, index) => {
        return { index, id: index, inputs: { x: floats([1, 2], index, 1) } };
      }),
    );
    const record = {
      ...{ id: 'job-1', tenant: 'default', items, fingerprint: 'same', state: 'open' as const },
      asked: {
        selector: { by: 'task' as const, task: 'pairs', dataset: undefined },
        ...{ slo: {}, outputs: undefined, input: '/in', output: '/out' },
      },
    };
    const port = this.host.port<OfflineFilesCommand>('offline-files', (command) => {
      const event = files.answer(command);
      if (event !== undefined && 'replyTo' in command) this.host.tell(command.replyTo, event);
    });
    const spec = offlineSpec({
      files: port,
      dispatcher: this.dispatcher,
      stored: () => [record],
      config: testOfflineConfig,
    });
    this.host.spawn(spec, 'offline');
    return files;
  }

  cancel(queryId: string): void {
    this.host.tell(this.dispatcher, { type: 'dispatcher.cancel-query', queryId });
  }

  crashEngine(node: string): void {
    this.workers.get(node)?.engine.crash('killed');
  }

  /** How often engine hosts died, over the workers that live. */
  get crashes(): number {
    return [...this.workers.values()].reduce((sum, { engine }) => sum + engine.crashes, 0);
  }

  /** The workers whose engines have a batch under way. */
  get busy(): string[] {
    return [...this.workers].flatMap(([node, { engine }]) => (engine.running > 0 ? [node] : []));
  }

  loadedOn(node: string): readonly string[] {
    return this.workers.get(node)?.engine.loaded ?? [];
  }

  /** The worker's process dies; another of its name starts `afterMs` later. */
  crashWorker(node: string, afterMs: number): void {
    this.links.crash(node);
    this.at(afterMs, () => {
      this.startWorker(node);
    });
  }

  /** The gateway's bus is away for a while, and what was sent meanwhile is lost. */
  cutBus(ms: number): void {
    const { host, dispatcher, links } = this;
    links.setCut('gateway', true);
    host.tell(dispatcher, { type: 'dispatcher.bus-changed', connected: false });
    this.at(ms, () => {
      links.setCut('gateway', false);
      host.tell(dispatcher, { type: 'dispatcher.bus-changed', connected: true });
      host.tell(dispatcher, { type: 'dispatcher.messages-lost', node: undefined });
    });
  }

  /** The worker drains what it has of the variant. */
  unload(node: string, variantId: string): void {
    const worker = { node, epoch: this.workers.get(node)?.epoch ?? 0, path: '/worker' };
    this.host.tell(worker, { type: 'worker.unload-variant', variantId });
  }

  private watched(): ActorSpec<unknown, DispatcherMessage> {
    const spec = dispatcherSpec({
      config: dispatcherConfig,
      controller: this.controller,
      epoch: () => this.host.epoch,
      gateways: () => [this.gateway],
    });
    return {
      ...spec,
      start: (ctx) => {
        const state = spec.start(ctx);
        this.table = state.table;
        return state;
      },
    } as ActorSpec<unknown, DispatcherMessage>;
  }

  private startWorker(node: string): void {
    const epoch = (this.workers.get(node)?.epoch ?? 0) + 1;
    const host = this.links.start(node, epoch);
    const engine = new EngineModel({
      host,
      clock: host.clock,
      random: splitRandom(this.options.seed, `engine ${node} ${String(epoch)}`),
      cores: 2,
      spread: 0.2,
      answer: sums,
      ...this.options.engine,
    });
    const spec = workerSpec({
      id: node,
      node,
      epoch: () => host.epoch,
      hardware: cpuOf(64 * mebibyte),
      engine: engine.port,
      controller: this.controller,
      config: { ...testWorkerConfig, ...this.options.worker },
    });
    host.spawn(spec, 'worker');
    this.workers.set(node, { engine, epoch });
  }
}

/** The sum of each pair. */
export function sums(_: unknown, { inputs, batch }: Pick<EngineQuery, 'inputs' | 'batch'>) {
  const x = inputs['x'] === undefined ? [] : [...typedArrayOf(inputs['x'])].map(Number);
  const each = Array.from(
    { length: batch },
    (_each, at) => (x[2 * at] ?? 0) + (x[2 * at + 1] ?? 0),
  );
  return { y: floats([batch, 1], ...each) } satisfies NamedTensors;
}
