/**
 * The fleet-autoscaler: every two seconds it looks at all workers, adds some through a provisioner
 * where they are too few, and removes those that can be spared, once what serves there has a place
 * elsewhere (INFaaS' VM-Autoscaler). It also places what a worker has no room for. The policy
 * decides; this carries out. It is on no query's way, and what it knows it is told anew after a
 * restart.
 */

import type { ActorSpec, Address } from '../../runtime/actor.ts';
import { assertNever } from '../../runtime/assert.ts';
import { restartPolicy } from '../../runtime/supervision.ts';
import { tellDecision } from '../domain/decision.ts';
import { fleetPolicies } from '../policy/fleet/index.ts';
import type { FleetDecision } from '../policy/fleet/view.ts';
import { type Context, type Fleet, type FleetOptions, provisionerOf, sinksOf } from './fleet.ts';
import { keepInMind, place, placeUnplaced, settlePlacements } from './placing.ts';
import type { FleetMessage } from './protocol.ts';
import { planWhenDue, startPlanning, takePlans } from './planning.ts';
import { endWorker, failStart, giveUpLate, order } from './starting.ts';
import { fleetViewOf } from './view-of.ts';

export type { FleetConfig, FleetOptions } from './fleet.ts';

export function fleetAutoscalerSpec(options: FleetOptions): ActorSpec<Fleet, FleetMessage> {
  return {
    start: (ctx) => {
      ctx.after(options.config.tickMs, 'tick', { type: 'fleet.tick-due' });
      return {
        options,
        scaler: fleetPolicies[options.config.policy],
        workers: new Map(),
        provisioners: new Map(),
        starting: new Map(),
        ended: new Map(),
        removing: new Set(),
        unplaced: new Map(),
        placements: [],
        planning: startPlanning(options, ctx),
        failures: 0,
        backoffUntilMs: 0,
      };
    },
    behaviour: fleetBehaviour,
    supervision: restartPolicy,
    mailboxMax: options.config.mailboxMax,
    remoteTypes: [
      'fleet.worker-reported',
      'fleet.place-variant',
      'fleet.provisioner-reported',
      'fleet.worker-refused',
      'fleet.worker-ended',
    ],
  };
}

function fleetBehaviour(fleet: Fleet, message: FleetMessage, ctx: Context): Fleet {
  switch (message.type) {
    case 'fleet.worker-reported':
      takeReport(fleet, message, ctx);
      return fleet;
    case 'fleet.place-variant':
      keepInMind(fleet, message, ctx.nowMs);
      placeUnplaced(fleet, ctx);
      return fleet;
    case 'fleet.provisioner-reported':
      fleet.provisioners.set(message.name, { report: message, atMs: ctx.nowMs });
      return fleet;
    case 'fleet.worker-refused':
      failStart(fleet, message.name, message.why, ctx);
      return fleet;
    case 'fleet.worker-ended':
      endWorker(fleet, message.name, message.how, ctx);
      return fleet;
    case 'fleet.worker-terminated':
      forgetWorker(fleet, message.terminated.address);
      return fleet;
    case 'fleet.registry-changed':
      fleet.planning.revision = message.revision;
      fleet.planning.variants = new Map(message.variants.map((each) => [each.id, each]));
      return fleet;
    case 'fleet.plan-due':
      planWhenDue(fleet, ctx);
      return fleet;
    case 'fleet.plan-solved':
      takePlans(fleet, message.requestId, message.plans, ctx);
      return fleet;
    case 'fleet.tick-due':
      ctx.after(fleet.options.config.tickMs, 'tick', { type: 'fleet.tick-due' });
      tick(fleet, ctx);
      return fleet;
    default:
      return assertNever(message);
  }
}

function takeReport(
  fleet: Fleet,
  report: Extract<FleetMessage, { type: 'fleet.worker-reported' }>,
  ctx: Context,
): void {
  if (report.worker.epoch <= (fleet.ended.get(report.workerId)?.epoch ?? -1)) return;
  const known = fleet.workers.get(report.workerId);
  if (known !== undefined && known.report.worker.epoch > report.worker.epoch) return;
  if (known?.report.worker.epoch !== report.worker.epoch) {
    ctx.watch(report.worker, (terminated) => ({ type: 'fleet.worker-terminated', terminated }));
    fleet.workers.set(report.workerId, { report, atMs: ctx.nowMs, firstMs: ctx.nowMs });
  } else {
    known.report = report;
    known.atMs = ctx.nowMs;
    const { youngMs } = fleet.options.config;
    // One that has grown up shows that workers can.
    if (ctx.nowMs - known.firstMs >= youngMs && known.firstMs > fleet.backoffUntilMs) {
      fleet.failures = 0;
    }
  }
  const ordered = fleet.starting.get(report.workerId);
  if (ordered !== undefined) fleet.planning.startMs = ctx.nowMs - ordered.sinceMs;
  fleet.starting.delete(report.workerId);
  settlePlacements(fleet, ctx);
}

function forgetWorker(fleet: Fleet, address: Address): void {
  for (const [name, { report }] of fleet.workers) {
    const { node, epoch } = report.worker;
    // Who started it says how it ended; here only its place goes.
    if (node === address.node && epoch === address.epoch && !isProvisioned(fleet, name)) {
      fleet.workers.delete(name);
      fleet.removing.delete(name);
    }
  }
}

function isProvisioned(fleet: Fleet, name: string): boolean {
  return provisionerOf(fleet, name) !== undefined;
}

function tick(fleet: Fleet, ctx: Context): void {
  dropSilent(fleet, ctx.nowMs);
  giveUpLate(fleet, ctx);
  settlePlacements(fleet, ctx);
  placeUnplaced(fleet, ctx);
  finishRemovals(fleet, ctx);
  const [decisions, scaler] = fleet.scaler(fleetViewOf(fleet, ctx.nowMs));
  fleet.scaler = scaler;
  for (const decision of decisions) {
    if (decision.action.do === 'remove' && isLast(fleet)) continue;
    carryOut(fleet, decision, ctx);
  }
  ctx.metrics.gauge('infaas_fleet_workers', fleet.workers.size);
  ctx.metrics.gauge('infaas_fleet_workers_starting', fleet.starting.size);
}

/** Without a worker queries are refused, and nobody sees what is asked. */
function isLast({ workers, removing }: Fleet): boolean {
  return workers.size - removing.size <= 1;
}

function dropSilent(fleet: Fleet, nowMs: number): void {
  const { silentMs } = fleet.options.config;
  for (const [name, { atMs }] of [...fleet.workers]) {
    if (nowMs - atMs < silentMs) continue;
    fleet.workers.delete(name);
    fleet.removing.delete(name);
  }
  for (const [name, { atMs }] of [...fleet.ended]) {
    if (nowMs - atMs >= silentMs) fleet.ended.delete(name);
  }
  for (const [name, { atMs }] of [...fleet.provisioners]) {
    if (nowMs - atMs >= silentMs) fleet.provisioners.delete(name);
  }
}

function carryOut(fleet: Fleet, decision: FleetDecision, ctx: Context): void {
  const { action, subject, chosen, why, seen } = decision;
  const of = { kind: 'fleet', by: 'controller', atMs: ctx.nowMs, subject, why, seen } as const;
  if (action.do === 'remove') {
    fleet.removing.add(action.workerId);
    for (const { variantId, to } of action.moves) {
      place(fleet, variantId, to, undefined, action.workerId, ctx);
    }
    tellDecision(sinksOf(fleet), { ...of, chosen, rejected: decision.rejected }, ctx);
    finishRemovals(fleet, ctx);
    return;
  }
  const { ordered, obstacle } = order(fleet, action.kind, action.count, ctx);
  const rejected = obstacle === undefined ? [] : [{ what: 'more', why: obstacle }];
  // That nothing can be added is said when it becomes so, not every two seconds.
  if (ordered === 0) {
    ctx.log.debug('no worker added', { why, obstacle });
    return;
  }
  const added = `add ${String(ordered)} ${action.kind} worker${ordered === 1 ? '' : 's'}`;
  tellDecision(sinksOf(fleet), { ...of, chosen: added, rejected }, ctx);
}

/** A worker leaves when all that it served has its place. */
function finishRemovals(fleet: Fleet, ctx: Context): void {
  for (const name of fleet.removing) {
    if (fleet.placements.some(({ removing }) => removing === name)) continue;
    const provisioner = provisionerOf(fleet, name);
    if (provisioner === undefined) {
      fleet.removing.delete(name);
      continue;
    }
    ctx.tell(provisioner, { type: 'provisioner.remove-worker', name, replyTo: ctx.self });
  }
}
