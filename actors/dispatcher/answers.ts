/** Builds answers: what served a query, where the time went, what was met. Pure. */

import { type HardwareKind, occupancyUsd } from '../domain/hardware.ts';
import type { QueryError } from '../domain/outcome.ts';
import type { QueryAnswer, QueryId, QueryServed, SloField } from '../domain/query.ts';
import type { WorkerReport } from '../domain/worker.ts';
import { noMiss } from '../policy/selection/requirement.ts';
import type { QueryOutcome } from '../worker/protocol.ts';
import type { InFlight, Placement } from './in-flight.ts';

export function refusedAnswer(queryId: QueryId, error: QueryError): QueryAnswer {
  return { ok: false, queryId, error };
}

export function servedAnswer(
  entry: InFlight,
  placement: Placement,
  served: Extract<QueryOutcome, { ok: true }>,
  instanceId: string,
  worker: WorkerReport | undefined,
  nowMs: number,
): QueryServed {
  const { variant } = placement.variant;
  const { request, queryId, receivedMs } = entry.submit;
  const totalMs = nowMs - receivedMs;
  const decideMs = placement.placedMs - receivedMs;
  const costUsdPerHour = priceOf(worker, variant.hardware);
  const share = entry.batch / Math.max(1, served.batchSize);
  return {
    ok: true,
    queryId,
    outputs: served.outputs,
    servedBy: {
      task: variant.task,
      dataset: variant.dataset,
      architecture: variant.architecture,
      variant: variant.id,
      worker: placement.workerId,
      instance: instanceId,
      hardware: variant.hardware,
      batchSize: served.batchSize,
      accuracy: variant.accuracy,
    },
    timing: {
      totalMs,
      decideMs,
      networkMs: Math.max(0, totalMs - decideMs - served.queueMs - served.inferMs),
      queueMs: served.queueMs,
      inferMs: served.inferMs,
    },
    slo: sloOutcome(request.slo.latencyMs, totalMs),
    decision: { reason: placement.reason },
    costUsd: occupancyUsd(served.inferMs * share, costUsdPerHour),
  };
}

const latencyMissed: readonly SloField[] = ['latencyMs'];
const met = { met: true, missed: noMiss } as const;
const late = { met: false, missed: latencyMissed } as const;

function sloOutcome(latencyMs: number | undefined, totalMs: number): QueryServed['slo'] {
  return latencyMs === undefined || totalMs <= latencyMs ? met : late;
}

function priceOf(worker: WorkerReport | undefined, kind: HardwareKind): number {
  return worker?.hardware.find((hardware) => hardware.kind === kind)?.costUsdPerUnitHour ?? 0;
}
