/** A cluster under observation: built after a plan, every actor watched, every query on record. */

import { scalingBy } from '../cluster/scaling.ts';
import type { ActorSpec } from '../../runtime/actor.ts';
import type { BodyDecoders } from '../../runtime/remote-inbound.ts';
import { splitRandom } from '../../runtime/random.ts';
import { defaultStateRules, type InstanceState } from '../../actors/domain/instance.ts';
import type { QueryAnswer } from '../../actors/domain/query.ts';
import { restartPolicy } from '../../runtime/supervision.ts';
import {
  Cluster,
  type ClusterConfig,
  type SimWorker,
  type SpecFactories,
  type WorkerSettings,
} from '../cluster/cluster.ts';
import type { SimNode } from '../cluster/network.ts';
import type { EngineFault } from '../engine-model.ts';
import type { TraceEntry } from '../sim-host.ts';
import type { Plan, PlannedQuery } from './plan.ts';
import { Watchtower } from './sabotage.ts';
import { answerOf, inputsOf, stock, stockTask } from './stock.ts';

export interface StageOptions {
  readonly decoders: BodyDecoders;
  readonly specs?: Partial<SpecFactories>;
  readonly trace?: (entry: TraceEntry) => void;
}

export interface OnRecord {
  readonly number: number;
  readonly planned: PlannedQuery;
  readonly submittedMs: number;
  /** Which life of its gateway has it. */
  readonly node: SimNode;
  readonly answers: { readonly atMs: number; readonly answer: QueryAnswer }[];
}

export const beatMs = 60;
export const missedMax = 3;
/** What was lost is missed well before a run ends. */
const forgottenMs = 900;
const mebibyte = 1024 * 1024;

export class Stage {
  readonly plan: Plan;
  readonly cluster: Cluster;
  readonly records = new Map<string, OnRecord>();
  readonly towers = new Map<SimNode, Watchtower>();
  /** What is wrong already, one line each. */
  readonly wrongs: string[] = [];
  /** Gateways whose clock or pace was tampered with: their times prove nothing. */
  readonly outOfTime = new Set<SimNode>();
  /** Called when an instance is seen in a state it was not in before. */
  onState: ((node: SimNode, path: string, state: InstanceState) => void) | undefined;
  /** Called when a process ended itself. */
  onExit: ((name: string) => void) | undefined;
  /** Asked after each turn of an actor: which bound it exceeds. */
  checkBound: ((path: string, state: unknown) => string | undefined) | undefined;
  /** What the engines of a worker do to the batches that start now. */
  readonly engineFaults = new Map<string, EngineFault>();
  private readonly instanceStates = new Map<string, InstanceState>();
  private readonly engineRandom: () => number;
  private submitted = 0;

  constructor(plan: Plan, options: StageOptions) {
    this.plan = plan;
    this.engineRandom = splitRandom(plan.seed, 'engine faults');
    this.cluster = new Cluster({
      seed: plan.seed,
      simulation: options.trace === undefined ? {} : { trace: options.trace },
      network: { kind: 'bus', ...plan.bus, beatMs, missedMax, decoders: options.decoders },
      config: configOf(plan),
      variants: stock,
      ...(options.specs === undefined ? {} : { specs: options.specs }),
      onExit: (name) => {
        this.onExit?.(name);
      },
      wrap: (spec, node) => this.watched(spec, node),
      onAnswer: (queryId, answer, expected) => {
        this.record(queryId, answer, expected);
      },
    });
  }

  start(): void {
    this.cluster.startController();
    for (let at = 1; at <= this.plan.gateways; at += 1) this.cluster.startGateway(`g${String(at)}`);
    for (let at = 1; at <= this.plan.workers; at += 1) this.startWorker(`w${String(at)}`);
  }

  startWorker(name: string): SimWorker {
    const { cores, memoryBytes } = this.plan;
    const settings: WorkerSettings = {
      name,
      hardware: [{ kind: 'cpu', units: cores, memoryBytes, costUsdPerUnitHour: 0.05 }],
      engine: {
        spread: 0.2,
        slowdown: name === 'w1' ? this.plan.firstSlowdown : 1,
        answer: answerOf,
        faultOf: () => {
          const fault = this.engineFaults.get(name);
          return fault !== undefined && this.engineRandom() < 0.5 ? fault : undefined;
        },
      },
    };
    return this.cluster.startWorker(settings);
  }

  submit(planned: PlannedQuery): void {
    const gateway = this.cluster.gateways.get(`g${String(planned.gateway + 1)}`);
    // A gateway that is down takes nothing.
    if (gateway === undefined) return;
    this.submitted += 1;
    const number = this.submitted;
    const queryId = `q${String(number)}`;
    const submittedMs = this.cluster.nowMs();
    this.records.set(queryId, { number, planned, submittedMs, node: gateway.node, answers: [] });
    const { latencyMs, accuracyMin, onMiss, timeoutMs, tenant, batch } = planned;
    gateway.desk.submit(
      queryId,
      {
        ...{ id: queryId, selector: selectorOf(planned), onMiss, timeoutMs, priority: 0 },
        slo: { latencyMs, accuracyMin },
        inputs: inputsOf(number, batch),
        outputs: undefined,
      },
      { name: tenant, tenant },
    );
    if (planned.cancelAfterMs === undefined) return;
    this.cluster.simulation.clock.schedule(planned.cancelAfterMs, () => {
      if (gateway.node.alive) gateway.desk.cancel(queryId);
    });
  }

  towerOf(node: SimNode): Watchtower {
    let tower = this.towers.get(node);
    if (tower === undefined) {
      tower = new Watchtower((path, state) => {
        if (node.kind === 'worker') this.sawTurn(node, path, state);
        const exceeded = this.checkBound?.(path, state);
        if (exceeded !== undefined) this.wrongs.push(`${node.name}: ${exceeded}`);
      });
      this.towers.set(node, tower);
    }
    return tower;
  }

  private watched<S, M>(spec: ActorSpec<S, M>, node: SimNode): ActorSpec<S, M> {
    return this.towerOf(node).wrap(spec);
  }

  private sawTurn(node: SimNode, path: string, turned: unknown): void {
    if (!isInstancePath(path)) return;
    const { state } = turned as { readonly state: InstanceState };
    const key = `${node.name} ${String(node.life)} ${path}`;
    if (this.instanceStates.get(key) === state) return;
    this.instanceStates.set(key, state);
    this.onState?.(node, path, state);
  }

  private record(queryId: string, answer: QueryAnswer, expected: boolean): void {
    const onRecord = this.records.get(queryId);
    if (onRecord === undefined) {
      this.wrongs.push(`an answer to ${queryId}, which nobody asked`);
      return;
    }
    onRecord.answers.push({ atMs: this.cluster.nowMs(), answer });
    if (!expected) this.wrongs.push(`${queryId} got a second answer`);
  }
}

export function isInstancePath(path: string): boolean {
  return path.startsWith('/worker/') && path !== '/worker/monitor';
}

function selectorOf({ selector, variant }: PlannedQuery) {
  const id = stock[variant % stock.length]?.id ?? '';
  if (selector === 'variant') return { by: 'variant', variant: id } as const;
  if (selector === 'architecture') {
    return { by: 'architecture', architecture: `${id}-net` } as const;
  }
  return { by: 'task', task: stockTask, dataset: undefined } as const;
}

/** Windows are short, so that everything that takes several of them happens within a run. */
function configOf({ limits, selection }: Plan): ClusterConfig {
  return {
    controller: {
      ...{ mailboxMax: 1_000, nodesMax: 100, contestMs: 2 * missedMax * beatMs },
      confirmMs: forgottenMs / 3,
    },
    dispatcher: {
      mailboxMax: limits.dispatcherMailboxMax,
      inFlightMax: limits.inFlightMax,
      inFlightPerTenantMax: limits.inFlightPerTenantMax,
      batchMax: 8,
      attemptsMax: 2,
      lossesMax: 8,
      selection,
      hopMs: 1,
      explainedMax: 16,
      forgottenMs,
    },
    worker: {
      mailboxMax: limits.workerMailboxMax,
      instancesMax: 16,
      preload: { small: 1 },
      baseMemoryBytes: mebibyte,
      ...{ evictAfterMs: 1_000, heldMax: 100, forgottenMs },
      // What there is to be stays as it was drawn, so that it can be checked.
      scaling: scalingBy('static'),
      reload: { ...restartPolicy, restartsMax: 5, withinMs: 1_000 },
      instance: {
        queueMax: limits.queueMax,
        mailboxMax: limits.instanceMailboxMax,
        batching: 'adaptive',
        hangMs: 150,
        hangFactor: 10,
      },
      monitor: {
        windowMs: 150,
        reportMs: 100,
        rules: {
          ...defaultStateRules,
          ...{ backlogSetsMs: 60, backlogClearsMs: 30 },
          ...{ interferedWindows: 1, clearWindows: 2, batchesMin: 2 },
        },
        mailboxMax: 1_000,
      },
    },
  };
}
