/** The instances of a worker by variant, with the load on each: what scaling policies weigh. */

import { type ClassDemand, meets } from '../../domain/demand.ts';
import type { Hardware } from '../../domain/hardware.ts';
import { saturationQps } from '../../domain/profile.ts';
import type { Variant, VariantId } from '../../domain/variant.ts';
import { alikeOf } from '../alike.ts';
import type { ScaleAction, ScalingInstance, ScalingView } from './view.ts';

export interface Group {
  readonly variant: Variant;
  readonly hardware: Hardware;
  /** Those that serve or will; what drains is gone already. */
  readonly instances: readonly ScalingInstance[];
  readonly demand: readonly ClassDemand[];
  /** In the last second. */
  readonly observedQps: number;
  readonly loadQps: number;
  /** Of one instance at the profile's pace. */
  readonly saturationQps: number;
  /** Of all at the pace observed. */
  readonly capacityQps: number;
  readonly overloaded: boolean;
  /** Some of it is being replaced: not to be judged until that is over. */
  readonly moving: boolean;
}

/** One a variant that is loaded here, by variant id. `loadOf` may see more than the last second. */
export function groupsOf(
  view: ScalingView,
  loadOf: (variantId: string, observedQps: number) => number,
): readonly Group[] {
  const { byId } = alikeOf(view.variants);
  const serving = new Map<VariantId, ScalingInstance[]>();
  for (const instance of view.instances) {
    if (!servesOrWill(instance.state)) continue;
    const alike = serving.get(instance.variantId);
    if (alike === undefined) serving.set(instance.variantId, [instance]);
    else alike.push(instance);
  }
  const groups: Group[] = [];
  for (const [id, instances] of [...serving].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const variant = byId.get(id);
    const hardware = view.hardware.find(({ kind }) => kind === variant?.hardware);
    if (variant === undefined || hardware === undefined) continue;
    const each = saturationQps(variant.profile, variant.batchMax);
    const demand: ClassDemand[] = [];
    let observedQps = 0;
    let capacityQps = 0;
    let overloaded = false;
    for (const instance of instances) {
      capacityQps += each / Math.max(1, instance.slowdown);
      overloaded ||= instance.state === 'overloaded';
      for (const asks of instance.demand) {
        demand.push(asks);
        observedQps += asks.rateQps;
      }
    }
    const loadQps = loadOf(variant.id, observedQps);
    groups.push({
      variant,
      hardware,
      instances,
      demand,
      observedQps,
      // One that is overloaded has no headroom, whatever its rate of arrivals.
      loadQps: overloaded ? Math.max(loadQps, capacityQps) : loadQps,
      saturationQps: each,
      // More instances than units run no faster.
      capacityQps: Math.min(capacityQps, each * hardware.units),
      overloaded,
      moving: instances.some(({ moving }) => moving),
    });
  }
  return groups;
}

function servesOrWill(state: ScalingInstance['state']): boolean {
  return state !== 'draining' && state !== 'unloaded' && state !== 'failed';
}

/** Units that the group's load keeps busy. */
export function unitsUsed({ loadQps, saturationQps: each, instances }: Group): number {
  return each > 0 ? Math.min(instances.length, loadQps / each) : 0;
}

/** Units of the group's hardware that the load of others leaves. */
export function unitsLeftFor(group: Group, groups: readonly Group[]): number {
  let units = group.hardware.units;
  for (const other of groups) {
    if (other !== group && other.hardware.kind === group.hardware.kind) units -= unitsUsed(other);
  }
  return Math.max(0, units);
}

/** Dollars an hour for what an instance occupies: its share of the memory, times the price. */
export function occupancyUsdPerHour(variant: Variant, hardware: Hardware): number {
  const share = variant.profile.memoryBytes / hardware.memoryBytes;
  return share * hardware.costUsdPerUnitHour * hardware.units;
}

/** Could `candidate` serve all that the group's queries ask? Unknown, and so no, where none did. */
export function servesAll(candidate: Variant, group: Group): boolean {
  return (
    group.demand.length > 0 && group.demand.every((asks) => meets(candidate, group.variant, asks))
  );
}

/** Memory that carrying out the actions takes, before anything of it gives any back. */
export function bytesTaken(view: ScalingView, actions: readonly ScaleAction[]): number {
  let bytes = 0;
  for (const action of actions) {
    if (action.do !== 'load' && action.do !== 'replace') continue;
    const variant = alikeOf(view.variants).byId.get(action.variantId);
    bytes += (variant?.profile.memoryBytes ?? 0) * (action.do === 'load' ? action.count : 1);
  }
  return bytes;
}
