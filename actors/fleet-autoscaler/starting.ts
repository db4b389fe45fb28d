/**
 * Workers from the order to their end: by whom they are started, and what is done about those that
 * never come up or die young.
 */

import type { Ref } from '../../runtime/actor.ts';
import { tellDecision } from '../domain/decision.ts';
import type { HardwareKind } from '../domain/hardware.ts';
import type { WorkerId } from '../domain/worker.ts';
import {
  agentPrefix,
  commandPrefix,
  type Context,
  type Fleet,
  provisionerOf,
  sinksOf,
} from './fleet.ts';
import type { FleetMessage, ProvisionerCommand, WorkerWanted } from './protocol.ts';

/** Orders up to `count` workers, as there is room; returns how many, and why no more. */
export function order(
  fleet: Fleet,
  kind: HardwareKind,
  count: number,
  ctx: Context,
): { readonly ordered: number; readonly obstacle: string | undefined } {
  const { config } = fleet.options;
  if (ctx.nowMs < fleet.backoffUntilMs) {
    const forS = ((fleet.backoffUntilMs - ctx.nowMs) / 1000).toFixed(1);
    return { ordered: 0, obstacle: `workers failed lately; tried again in ${forS} s` };
  }
  const wanted: WorkerWanted = {
    kind,
    units: config.workerUnits,
    memoryBytes: config.workerMemoryBytes,
  };
  for (let ordered = 0; ordered < count; ordered += 1) {
    const by = provisionerFor(fleet, wanted);
    if (by === undefined) {
      const what = `${String(wanted.units)} units of ${kind}`;
      return { ordered, obstacle: `no agent has ${what} left, and there is no other provisioner` };
    }
    const prefix = by.isCommand ? commandPrefix : agentPrefix;
    const name = `${prefix}${Math.floor(ctx.random() * 36 ** 6)
      .toString(36)
      .padStart(6, '0')}`;
    fleet.starting.set(name, { kind, provisioner: by.ref, sinceMs: ctx.nowMs });
    const replyTo: Ref<FleetMessage> = ctx.self;
    ctx.tell(by.ref, { type: 'provisioner.add-worker', name, wanted, replyTo });
  }
  return { ordered: count, obstacle: undefined };
}

/** The agent with the most room, less what is ordered of it already; else the command. */
function provisionerFor(
  fleet: Fleet,
  wanted: WorkerWanted,
): { readonly ref: Ref<ProvisionerCommand>; readonly isCommand: boolean } | undefined {
  let best: Ref<ProvisionerCommand> | undefined;
  let bestUnits = 0;
  for (const { report } of fleet.provisioners.values()) {
    const room = report.room.find(({ kind }) => kind === wanted.kind);
    const units = (room?.units ?? 0) - pendingAt(fleet, report.provisioner);
    if (units < wanted.units || units <= bestUnits) continue;
    if ((room?.memoryBytes ?? 0) < (wanted.memoryBytes ?? 0)) continue;
    best = report.provisioner;
    bestUnits = units;
  }
  if (best !== undefined) return { ref: best, isCommand: false };
  const { provisioner } = fleet.options;
  return provisioner === undefined ? undefined : { ref: provisioner, isCommand: true };
}

/** Ordered there and not in its report yet. */
function pendingAt(fleet: Fleet, ref: Ref<ProvisionerCommand>): number {
  let units = 0;
  for (const [name, { provisioner }] of fleet.starting) {
    const isThere = provisioner.node === ref.node && provisioner.path === ref.path;
    if (isThere && provisionerOf(fleet, name) === undefined) {
      units += fleet.options.config.workerUnits;
    }
  }
  return units;
}

/** Those that have not come up in time are given up. */
export function giveUpLate(fleet: Fleet, ctx: Context): void {
  const { startTimeoutMs } = fleet.options.config;
  for (const [name, { provisioner, sinceMs }] of [...fleet.starting]) {
    if (ctx.nowMs - sinceMs < startTimeoutMs) continue;
    ctx.tell(provisioner, { type: 'provisioner.remove-worker', name, replyTo: ctx.self });
    failStart(fleet, name, `it has not joined within ${String(startTimeoutMs)} ms`, ctx);
  }
}

export function failStart(fleet: Fleet, name: WorkerId, why: string, ctx: Context): void {
  if (!fleet.starting.delete(name)) return;
  backOff(fleet, name, `did not come up: ${why}`, fleet.options.config.backoffMaxMs, ctx);
}

/**
 * It was up: harmless when told to go, or after a life of some length. The next is ordered at once
 * where it can be; and while no other worker is up, soon in any case: that they can come up was
 * seen, and a fleet of none serves nobody.
 */
export function endWorker(fleet: Fleet, name: WorkerId, how: string, ctx: Context): void {
  const known = fleet.workers.get(name);
  if (known !== undefined) {
    fleet.ended.set(name, { epoch: known.report.worker.epoch, atMs: ctx.nowMs });
  }
  fleet.workers.delete(name);
  if (fleet.starting.has(name)) {
    failStart(fleet, name, how, ctx);
    return;
  }
  if (fleet.removing.delete(name)) return;
  const ageMs = known === undefined ? Infinity : ctx.nowMs - known.firstMs;
  if (ageMs < fleet.options.config.youngMs) {
    const what = `died ${(ageMs / 1000).toFixed(1)} s after it came up: ${how}`;
    backOff(fleet, name, what, longestWaitMs(fleet), ctx);
  } else {
    ctx.log.warn('worker ended', { worker: name, how });
  }
  const untilMs = Math.min(fleet.backoffUntilMs, ctx.nowMs + longestWaitMs(fleet));
  fleet.backoffUntilMs = untilMs;
  // In place of the next tick, or when it may be replaced.
  const inMs = Math.min(fleet.options.config.tickMs, Math.max(0, untilMs - ctx.nowMs));
  ctx.after(inMs, 'tick', { type: 'fleet.tick-due' });
}

/** After one that came up: a start and a short life now and then is little to lose. */
function longestWaitMs({ workers, options }: Fleet): number {
  const { backoffMs, backoffMaxMs, youngMs } = options.config;
  return workers.size === 0 ? backoffMs : Math.min(backoffMaxMs, Math.max(backoffMs, youngMs));
}

function backOff(fleet: Fleet, name: WorkerId, what: string, mostMs: number, ctx: Context): void {
  const { backoffMs } = fleet.options.config;
  const waitMs = Math.min(mostMs, backoffMs * 2 ** Math.min(fleet.failures, 30));
  fleet.failures += 1;
  fleet.backoffUntilMs = ctx.nowMs + waitMs;
  ctx.metrics.count('infaas_worker_starts_failed_total');
  ctx.log.warn('worker failed', { worker: name, what, waitMs });
  tellDecision(
    sinksOf(fleet),
    {
      kind: 'fleet',
      by: 'controller',
      atMs: ctx.nowMs,
      subject: name,
      chosen: `no worker is added for ${(waitMs / 1000).toFixed(1)} s`,
      why: `worker ${name} ${what}`,
      seen: { failures: fleet.failures, waitMs },
      rejected: [],
    },
    ctx,
  );
}
