/**
 * The dispatcher's view of the fleet, kept up to date report by report and indexed by what queries
 * ask for, so that a decision reads lists that are already there and sorted.
 */

import type { Ref } from '../../runtime/actor.ts';
import { type InstanceId, type InstanceState, isJudged } from '../domain/instance.ts';
import { latencyTable } from '../domain/profile.ts';
import { createInputChecker, type InputChecker, taskSignatureOf } from '../domain/signature.ts';
import {
  costUsdPer1000,
  useCaseOf,
  type UseCase,
  type Variant,
  type VariantId,
} from '../domain/variant.ts';
import type { InstanceReport, WorkerId, WorkerReport } from '../domain/worker.ts';
import { batchLimits } from '../policy/batching/adaptive.ts';
import { backlogMs } from '../policy/selection/completion.ts';
import type {
  InstanceView,
  UnitsView,
  VariantView,
  WorkerView,
} from '../policy/selection/index.ts';
import type { WorkerMessage } from '../worker/protocol.ts';

export interface IndexedWorker extends WorkerView {
  readonly id: WorkerId;
  ref: Ref<WorkerMessage>;
  report: WorkerReport;
  memoryFreeBytes: number;
  readonly kinds: ReadonlySet<string>;
  readonly units: ReadonlyMap<string, IndexedUnits>;
  utilisation: number;
  dispatchers: number;
  readonly instances: Map<InstanceId, IndexedInstance>;
  /** When it was last told to load what, of late. */
  readonly loadsAskedMs: Map<VariantId, number>;
}

export interface IndexedUnits extends UnitsView {
  readonly units: number;
  owedMs: number;
  owedAtMs: number;
  lateMs: number;
}

export interface IndexedInstance extends InstanceView {
  readonly id: InstanceId;
  readonly path: string;
  readonly variant: IndexedVariant;
  readonly worker: IndexedWorker;
  readonly shared: IndexedUnits | undefined;
  state: InstanceState;
  slowdown: number;
  readyAtMs: number;
  reportedBacklogMs: number;
  reportedAtMs: number;
  sentSinceMs: number;
  sent: number;
  report: InstanceReport;
  /** Its end is told: the watch lives as long as this entry. */
  isWatched: boolean;
}

export interface IndexedVariant extends VariantView {
  readonly id: VariantId;
  readonly variant: Variant;
  readonly checker: InputChecker;
  /** Engine time one more query owes, at the batch that pays. */
  readonly owedMs: number;
  readonly instances: IndexedInstance[];
}

/**
 * What a selector names: the variants that can answer, cheapest first, and how inputs are checked.
 */
export interface Candidates {
  readonly variants: readonly IndexedVariant[];
  readonly checker: InputChecker;
}

export class FleetIndex {
  readonly variants = new Map<VariantId, IndexedVariant>();
  readonly workers = new Map<WorkerId, IndexedWorker>();
  readonly useCases = new Map<UseCase, Candidates>();
  readonly architectures = new Map<string, Candidates>();
  /** Datasets by task, to resolve a query that names a task alone. */
  readonly datasets = new Map<string, readonly string[]>();
  workerList: readonly IndexedWorker[] = [];
  revision = -1;

  /**
   * Takes a change; false where it is one of a registry other than the one known here. Only the
   * groups that it touches are made anew.
   */
  changeRegistry(
    since: number,
    revision: number,
    changed: readonly Variant[],
    removed: readonly VariantId[],
  ): boolean {
    if (since !== this.revision) return false;
    this.revision = revision;
    const leaving = [...removed, ...changed.map(({ id }) => id)].flatMap(
      (id) => this.variants.get(id) ?? [],
    );
    for (const id of removed) this.variants.delete(id);
    this.regroup(leaving, this.enter(changed, this.variants));
    return true;
  }

  /** Takes the registry as a whole; instances of variants that stay are kept. */
  setRegistry(revision: number, variants: readonly Variant[]): void {
    this.revision = revision;
    const before = new Map(this.variants);
    for (const map of [this.variants, this.useCases, this.architectures, this.datasets])
      map.clear();
    this.regroup([], this.enter(variants, before));
  }

  private enter(
    variants: readonly Variant[],
    before: ReadonlyMap<VariantId, IndexedVariant>,
  ): readonly IndexedVariant[] {
    return variants.map((variant) => {
      const known = before.get(variant.id);
      const indexed = known?.variant === variant ? known : indexVariant(variant, known);
      this.variants.set(variant.id, indexed);
      return indexed;
    });
  }

  private regroup(leaving: readonly IndexedVariant[], entering: readonly IndexedVariant[]): void {
    const byUseCase = groupsAfter(this.useCases, leaving, entering, ({ variant }) =>
      useCaseOf(variant.task, variant.dataset),
    );
    for (const [useCase, group] of byUseCase) {
      const [first] = group;
      if (first === undefined) this.useCases.delete(useCase);
      else {
        const checker = createInputChecker(taskSignatureOf(first.variant.signature));
        this.useCases.set(useCase, { variants: group, checker });
      }
    }
    for (const { variant } of [...leaving, ...entering]) this.listDataset(variant);
    const byArchitecture = groupsAfter(
      this.architectures,
      leaving,
      entering,
      ({ variant }) => variant.architecture,
    );
    for (const [name, group] of byArchitecture) {
      const [first] = group;
      if (first === undefined) this.architectures.delete(name);
      else this.architectures.set(name, { variants: group, checker: first.checker });
    }
    for (const worker of this.workers.values())
      this.applyInstances(worker, worker.report, undefined);
  }

  /** Under its task, if there is anything of it. */
  private listDataset({ task, dataset }: Variant): void {
    const others = (this.datasets.get(task) ?? []).filter((each) => each !== dataset);
    const isThere = this.useCases.has(useCaseOf(task, dataset));
    const listed = isThere ? [...others, dataset].sort() : others;
    if (listed.length === 0) this.datasets.delete(task);
    else this.datasets.set(task, listed);
  }

  /** Returns the worker, and whether it is new (or came back under a newer epoch). */
  applyReport(
    ref: Ref<WorkerMessage>,
    report: WorkerReport,
    dispatchers: number,
    nowMs: number,
  ): { readonly worker: IndexedWorker; readonly isNew: boolean } {
    let worker = this.workers.get(report.workerId);
    if (worker !== undefined && worker.ref.epoch !== ref.epoch) {
      this.removeWorker(report.workerId);
      worker = undefined;
    }
    const isNew = worker === undefined;
    worker ??= this.addWorker(ref, report);
    worker.report = report;
    worker.dispatchers = Math.max(1, dispatchers);
    worker.utilisation = report.utilisation;
    const memoryBytes = report.hardware.reduce((sum, kind) => sum + kind.memoryBytes, 0);
    worker.memoryFreeBytes = memoryBytes - report.memoryUsedBytes + (report.reclaimableBytes ?? 0);
    this.applyInstances(worker, report, nowMs);
    for (const units of worker.units.values()) {
      units.owedMs = 0;
      units.owedAtMs = nowMs;
      units.lateMs = 0;
    }
    for (const { shared, slowdown, reportedBacklogMs, report: seen } of worker.instances.values()) {
      if (shared === undefined) continue;
      shared.owedMs += slowdown * reportedBacklogMs;
      // What still loads, or leaves, keeps nothing busy with them.
      if (isJudged(seen.state)) shared.lateMs += slowdown * (seen.lateMs ?? 0);
    }
    return { worker, isNew };
  }

  private addWorker(ref: Ref<WorkerMessage>, report: WorkerReport): IndexedWorker {
    const worker: IndexedWorker = {
      id: report.workerId,
      ref,
      report,
      memoryFreeBytes: 0,
      kinds: new Set(report.hardware.map(({ kind }) => kind)),
      units: new Map(
        report.hardware.map(({ kind, units }) => [
          kind,
          { units, owedMs: 0, owedAtMs: 0, lateMs: 0 },
        ]),
      ),
      machine: report.hardware.find(({ machine }) => machine !== undefined)?.machine,
      utilisation: 0,
      dispatchers: 1,
      instances: new Map(),
      loadsAskedMs: new Map(),
    };
    this.workers.set(worker.id, worker);
    this.workerList = [...this.workers.values()];
    return worker;
  }

  private applyInstances(
    worker: IndexedWorker,
    report: WorkerReport,
    nowMs: number | undefined,
  ): void {
    let known = 0;
    for (const seen of report.instances) {
      if (!isLiving(seen)) continue;
      const indexed = worker.instances.get(seen.id);
      if (indexed !== undefined) {
        known += 1;
        if (nowMs !== undefined) refresh(indexed, seen, nowMs);
        continue;
      }
      const variant = this.variants.get(seen.variantId);
      if (variant === undefined) continue;
      known += 1;
      const added = indexInstance(variant, worker, seen, nowMs ?? 0);
      worker.instances.set(seen.id, added);
      variant.instances.push(added);
    }
    if (worker.instances.size > known) this.removeUnreported(worker, report);
  }

  private removeUnreported(worker: IndexedWorker, report: WorkerReport): void {
    const living = new Set(report.instances.filter(isLiving).map(({ id }) => id));
    for (const id of worker.instances.keys()) {
      if (!living.has(id)) this.removeInstance(worker, id);
    }
  }

  removeInstance(worker: IndexedWorker, id: InstanceId): void {
    const instance = worker.instances.get(id);
    if (instance === undefined) return;
    worker.instances.delete(id);
    const siblings = instance.variant.instances;
    const at = siblings.indexOf(instance);
    if (at >= 0) siblings.splice(at, 1);
  }

  removeWorker(id: WorkerId): void {
    const worker = this.workers.get(id);
    if (worker === undefined) return;
    for (const instanceId of [...worker.instances.keys()]) this.removeInstance(worker, instanceId);
    this.workers.delete(id);
    this.workerList = [...this.workers.values()];
  }
}

function indexVariant(variant: Variant, known: IndexedVariant | undefined): IndexedVariant {
  const latencyMs = latencyTable(variant.profile, variant.batchMax);
  const { efficient } = batchLimits(latencyMs);
  const indexed: IndexedVariant = {
    id: variant.id,
    variant,
    checker: createInputChecker(variant.signature),
    accuracy: variant.accuracy,
    hardware: variant.hardware,
    machine: variant.machine,
    costUsd: costUsdPer1000(variant) / 1000,
    latencyMs,
    loadMs: variant.profile.loadMs,
    memoryBytes: variant.profile.memoryBytes,
    owedMs: (latencyMs[efficient] ?? 0) / efficient,
    instances: [],
  };
  for (const instance of known?.instances ?? []) {
    const moved: IndexedInstance = { ...instance, variant: indexed };
    instance.worker.instances.set(instance.id, moved);
    indexed.instances.push(moved);
  }
  return indexed;
}

function indexInstance(
  variant: IndexedVariant,
  worker: IndexedWorker,
  seen: InstanceReport,
  nowMs: number,
): IndexedInstance {
  return {
    id: seen.id,
    path: seen.path,
    variant,
    worker,
    shared: worker.units.get(variant.variant.hardware),
    state: seen.state,
    slowdown: seen.slowdown,
    readyAtMs: nowMs + seen.loadLeftMs,
    reportedBacklogMs: seen.backlogMs,
    reportedAtMs: nowMs,
    sentSinceMs: 0,
    sent: 0,
    report: seen,
    isWatched: false,
  };
}

/** One more query is on its way there, or `count` dispatchers' worth of them. */
export function noteSent(
  instance: IndexedInstance,
  batch: number,
  dispatchers: number,
  nowMs: number,
): void {
  const sentMs = instance.variant.owedMs * batch * dispatchers;
  instance.sentSinceMs += sentMs;
  instance.sent += 1;
  owe(instance, sentMs, nowMs);
}

/** What the instance itself says it owes, ahead of its worker's next report. */
export function noteBacklog(instance: IndexedInstance, owedMs: number, nowMs: number): void {
  owe(instance, owedMs - backlogMs(instance, nowMs), nowMs);
  instance.reportedBacklogMs = owedMs;
  instance.reportedAtMs = nowMs;
  instance.sentSinceMs = 0;
}

function owe({ shared, slowdown }: IndexedInstance, moreMs: number, nowMs: number): void {
  if (shared === undefined) return;
  const leftMs = Math.max(0, shared.owedMs - (nowMs - shared.owedAtMs) * shared.units);
  shared.owedMs = Math.max(0, leftMs + slowdown * moreMs);
  shared.owedAtMs = nowMs;
}

function isLiving({ state }: InstanceReport): boolean {
  return state !== 'failed' && state !== 'unloaded';
}

function refresh(instance: IndexedInstance, seen: InstanceReport, nowMs: number): void {
  instance.report = seen;
  instance.state = seen.state;
  instance.slowdown = seen.slowdown;
  instance.readyAtMs = nowMs + seen.loadLeftMs;
  instance.reportedBacklogMs = seen.backlogMs;
  instance.reportedAtMs = nowMs;
  instance.sentSinceMs = 0;
}

/** The groups that change when some leave and others enter, each cheapest first. */
function groupsAfter<K>(
  before: ReadonlyMap<K, Candidates>,
  leaving: readonly IndexedVariant[],
  entering: readonly IndexedVariant[],
  keyOf: (variant: IndexedVariant) => K,
): ReadonlyMap<K, readonly IndexedVariant[]> {
  const left = new Set(leaving);
  const groups = new Map<K, IndexedVariant[]>();
  const groupOf = (variant: IndexedVariant): IndexedVariant[] => {
    const key = keyOf(variant);
    const known = groups.get(key);
    if (known !== undefined) return known;
    const group = (before.get(key)?.variants ?? []).filter((each) => !left.has(each));
    groups.set(key, group);
    return group;
  };
  for (const variant of leaving) groupOf(variant);
  for (const variant of entering) groupOf(variant).push(variant);
  for (const group of groups.values()) {
    group.sort((a, b) => a.costUsd - b.costUsd || (a.id < b.id ? -1 : 1));
  }
  return groups;
}
