/** A dispatcher under test, between a gateway and workers that are refs which only record. */

import { type DispatcherConfig, dispatcherSpec } from '../../actors/dispatcher/behaviour.ts';
import type { DispatcherMessage, GatewayMessage } from '../../actors/dispatcher/protocol.ts';
import type { QueryAnswer, QueryRequest } from '../../actors/domain/query.ts';
import type { Variant } from '../../actors/domain/variant.ts';
import type { InstanceReport, WorkerReport } from '../../actors/domain/worker.ts';
import type { QueryFinished, QueryOutcome, RunQuery } from '../../actors/worker/protocol.ts';
import type { WorkerMessage } from '../../actors/worker/protocol.ts';
import { refOf, type StopReason } from '../../runtime/actor.ts';
import { anySpec, Recording } from './recording-context.ts';
import { dispatcherRef } from './run-queries.ts';
import { mebibyte, pairs } from './variants.ts';
import { cpuOf } from './worker-stage.ts';

export const gatewayRef = refOf<GatewayMessage>('gateway', 1, '/websocket');

export interface RequestParts extends Partial<QueryRequest> {
  readonly tenant?: string;
  readonly receivedAgoMs?: number;
}

/** Names of instances, `v-1` for the first of variant `v`, with what differs from an idle one. */
export type InstanceParts = Readonly<Record<string, Partial<InstanceReport>>>;

const served: QueryOutcome = {
  ok: true,
  outputs: {},
  batchSize: 1,
  batchReason: 'one at a time',
  queueMs: 1,
  inferMs: 2,
};

export class DispatcherStage extends Recording<unknown, DispatcherMessage> {
  constructor(config: Partial<DispatcherConfig> = {}) {
    super(
      anySpec(
        dispatcherSpec({
          controller: refOf('controller', 1, '/controller'),
          epoch: () => 0,
          gateways: () => [],
          config: {
            mailboxMax: 100,
            inFlightMax: 100,
            inFlightPerTenantMax: 100,
            batchMax: 8,
            attemptsMax: 2,
            lossesMax: 3,
            explainedMax: 100,
            selection: 'cheapest',
            hopMs: 0,
            ...config,
          },
        }),
      ),
      { self: dispatcherRef },
    );
  }

  knows(...variants: readonly Variant[]): this {
    return this.send({ type: 'dispatcher.registry-changed', revision: 1, variants });
  }

  /** The worker of `node` reports these instances, under `epoch`. */
  report(node: string, instances: InstanceParts = {}, epoch = 1, path = '/worker'): this {
    // More than one worker of a node go by their paths.
    const workerId = path === '/worker' ? node : path.slice(1);
    const report: WorkerReport = {
      workerId,
      hardware: cpuOf(100 * mebibyte),
      memoryUsedBytes: mebibyte,
      utilisation: 0,
      instances: Object.entries(instances).map(([name, differs]) => ({
        id: `${workerId}/${name}`,
        path: `${path}/${name}`,
        variantId: name.slice(0, name.lastIndexOf('-')),
        state: 'active',
        rateQps: 0,
        queued: 0,
        backlogMs: 0,
        slowdown: 1,
        served: 0,
        loadLeftMs: 0,
        ...differs,
      })),
    };
    const worker = refOf<WorkerMessage>(node, epoch, path);
    return this.send({ type: 'dispatcher.worker-reported', worker, report, dispatchers: 1 });
  }

  /** A query by task, unless `parts` says otherwise. */
  submit(queryId: string, parts: RequestParts = {}): this {
    const { tenant, receivedAgoMs, ...request } = parts;
    return this.send({
      type: 'dispatcher.submit-query',
      queryId,
      principal: { name: 'somebody', tenant: tenant ?? 'default' },
      receivedMs: this.nowMs - (receivedAgoMs ?? 0),
      request: {
        id: queryId,
        selector: { by: 'task', task: 'pairs', dataset: undefined },
        slo: {},
        onMiss: 'best-effort',
        timeoutMs: 30_000,
        priority: 0,
        inputs: pairs(),
        outputs: undefined,
        ...request,
      },
      replyTo: gatewayRef,
    });
  }

  /** What workers were asked to run since `forget`: `q1#1 w1/v-1`, `q1#1 w1 v` without instance. */
  get placed(): string[] {
    return this.runs.map(({ node, run }) => {
      const where = run.instanceId ?? `${node} ${run.variantId}`;
      return `${run.queryId}#${run.delivery.attempt} ${where}`;
    });
  }

  get runs(): { readonly node: string; readonly run: RunQuery }[] {
    return this.told.flatMap(({ to, message }) => {
      const run = message as WorkerMessage;
      return run.type === 'worker.run-query' ? [{ node: to.node, run }] : [];
    });
  }

  /** What else workers were told since `forget`: `w1 cancel-query`. */
  get commands(): string[] {
    return this.told.flatMap(({ to, message }) => {
      const { type } = message as { readonly type: string };
      const isCommand = type.startsWith('worker.') && type !== 'worker.run-query';
      return isCommand ? [`${to.node} ${type.replace('worker.', '')}`] : [];
    });
  }

  get allAnswers(): QueryAnswer[] {
    return this.everTold.flatMap(({ message }) => {
      const answered = message as GatewayMessage;
      return answered.type === 'gateway.query-answered' ? [answered.answer] : [];
    });
  }

  /** Every answer ever given, `q1 ok` or `q1 overloaded`. */
  get answers(): string[] {
    return this.allAnswers.map((answer) =>
      answer.ok ? `${answer.queryId} ok` : `${answer.queryId} ${answer.error.code}`,
    );
  }

  /** Every placement of the query so far, the newest last. */
  placementsOf(queryId: string): RunQuery[] {
    return this.everTold.flatMap(({ message }) => {
      const run = message as WorkerMessage;
      return run.type === 'worker.run-query' && run.queryId === queryId ? [run] : [];
    });
  }

  /** The worker's answer to the query's newest placement, or to an older `attempt`. */
  finish(queryId: string, outcome: QueryOutcome = served, parts: FinishParts = {}): this {
    const run = this.placementsOf(queryId).at((parts.attempt ?? 0) - 1);
    if (run === undefined) throw new Error(`${queryId} was not placed`);
    return this.send({
      type: 'dispatcher.query-finished',
      queryId,
      delivery: run.delivery,
      epoch: 1,
      instanceId: parts.instanceId ?? run.instanceId ?? 'nowhere',
      outcome,
      backlogMs: parts.backlogMs ?? 0,
    });
  }

  /** An instance or, without a name, the worker itself ended. False when nobody watched. */
  end(node: string, name?: string, reason: StopReason = 'failed', epoch = 1): boolean {
    const path = name === undefined ? '/worker' : `/worker/${name}`;
    return this.endAt(node, path, reason, epoch);
  }

  endAt(node: string, path: string, reason: StopReason = 'failed', epoch = 1): boolean {
    return this.terminate(refOf(node, epoch, path), reason, 'it crashed');
  }
}

export interface FinishParts {
  readonly attempt?: number;
  readonly instanceId?: string;
  readonly backlogMs?: QueryFinished['backlogMs'];
}
