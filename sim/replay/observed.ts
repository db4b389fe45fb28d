/**
 * What recordings of a live system tell of it: what was asked when, what came of it, the variants
 * that there were, the workers, how they were set, and how long batches took. Of several nodes, on
 * one time line.
 */

import type { DispatcherConfig } from '../../actors/dispatcher/dispatching.ts';
import type { DispatcherMessage, GatewayMessage } from '../../actors/dispatcher/protocol.ts';
import type { FleetConfig } from '../../actors/fleet-autoscaler/fleet.ts';
import type { Hardware } from '../../actors/domain/hardware.ts';
import type { QueryRequest } from '../../actors/domain/query.ts';
import { predictBatchMs } from '../../actors/domain/profile.ts';
import type { Variant, VariantId } from '../../actors/domain/variant.ts';
import type { EngineCommand } from '../../actors/instance/engine-port.ts';
import type { InstanceMessage } from '../../actors/instance/protocol.ts';
import type { Root } from '../../actors/recording/entries.ts';
import type { Piece, RecordedTurn } from '../../actors/recording/read-recording.ts';
import type { WorkerConfig } from '../../actors/worker/working.ts';
import type { TallyReport } from '../scenario/report.ts';
import { Tally } from '../scenario/tally.ts';

export interface ObservedQuery {
  /** On the wall clock. */
  readonly atMs: number;
  readonly tenant: string;
  readonly batch: number;
  readonly request: Omit<QueryRequest, 'inputs' | 'outputs'>;
}

export interface ObservedWorker {
  readonly name: string;
  readonly hardware: readonly Hardware[];
  readonly firstMs: number;
  lastMs: number;
}

export interface Observed {
  readonly beganMs: number;
  /** Sorted by time. */
  readonly queries: readonly ObservedQuery[];
  readonly report: TallyReport;
  /** Of the time that queries occupied. */
  readonly occupancyUsd: number;
  readonly variants: readonly Variant[];
  readonly workers: readonly ObservedWorker[];
  readonly gateways: number;
  readonly dispatcher: DispatcherConfig | undefined;
  readonly worker: WorkerConfig | undefined;
  readonly fleet: FleetConfig | undefined;
  /** Times of batches over those that profiles say, sorted. */
  readonly slowdowns: readonly number[];
}

export function observe(recordings: readonly Iterable<Piece>[]): Observed {
  const observing = new Observing();
  for (const recording of recordings) observing.take(recording);
  return observing.observed();
}

type Configs = Pick<Observed, 'dispatcher' | 'worker' | 'fleet'>;

function configsOf(roots: readonly Root[]): Configs {
  const of = (kind: Root['kind']): unknown =>
    (roots.find((root) => root.kind === kind)?.options as { readonly config?: unknown } | undefined)
      ?.config;
  return {
    dispatcher: of('dispatcher') as DispatcherConfig | undefined,
    worker: of('worker') as WorkerConfig | undefined,
    fleet: of('fleet-autoscaler') as FleetConfig | undefined,
  };
}

class Observing {
  readonly #roots: Root[] = [];
  readonly #queries = new Map<string, { -readonly [K in keyof ObservedQuery]: ObservedQuery[K] }>();
  readonly #tally = new Tally();
  readonly #variants = new Map<VariantId, Variant>();
  readonly #workers = new Map<string, ObservedWorker>();
  readonly #slowdowns: number[] = [];
  #occupancyUsd = 0;
  #beganMs = Infinity;

  take(recording: Iterable<Piece>): void {
    let behindMs = 0;
    const batches = new Map<string, Batch>();
    for (const piece of recording) {
      if (piece.kind === 'header') {
        const { wallMs, nowMs } = piece.header;
        this.#beganMs = Math.min(this.#beganMs, wallMs);
        behindMs = wallMs - nowMs;
      }
      if (piece.kind === 'root') this.#roots.push(piece.root);
      if (piece.kind !== 'turn') continue;
      if (piece.turn.self.path === '/dispatcher') this.#dispatched(piece.turn, behindMs);
      else this.#ran(piece.turn, batches);
    }
  }

  observed(): Observed {
    const queries = [...this.#queries.values()].sort((a, b) => a.atMs - b.atMs);
    const spanMs = (queries.at(-1)?.atMs ?? 0) - (queries[0]?.atMs ?? 0);
    return {
      ...configsOf(this.#roots),
      beganMs: this.#beganMs,
      queries,
      report: this.#tally.report(Math.max(1, spanMs / 1_000)),
      occupancyUsd: this.#occupancyUsd,
      variants: [...this.#variants.values()],
      workers: [...this.#workers.values()],
      gateways: this.#roots.filter(({ kind }) => kind === 'dispatcher').length,
      slowdowns: this.#slowdowns.sort((a, b) => a - b),
    };
  }

  #dispatched(turn: RecordedTurn, behindMs: number): void {
    const atMs = behindMs + turn.nowMs;
    if (turn.kind === 'message') this.#took(turn.message as DispatcherMessage, atMs);
    for (const [, , message] of turn.told) this.#told(message as GatewayMessage);
  }

  #took(message: DispatcherMessage, atMs: number): void {
    switch (message.type) {
      case 'dispatcher.submit-query': {
        const { queryId, principal, request } = message;
        // What of it is no tensor; how many rows it has is seen where it is placed.
        const { inputs: _inputs, outputs: _outputs, ...rest } = request;
        const { tenant } = principal;
        this.#queries.set(queryId, { atMs, tenant, batch: 1, request: rest });
        this.#tally.asked();
        return;
      }
      case 'dispatcher.registry-changed':
        if (message.since === undefined) this.#variants.clear();
        for (const id of message.removed ?? []) this.#variants.delete(id);
        for (const variant of message.variants) this.#variants.set(variant.id, variant);
        return;
      case 'dispatcher.worker-reported': {
        const { workerId, hardware } = message.report;
        const known = this.#workers.get(workerId);
        if (known !== undefined) known.lastMs = Math.max(known.lastMs, atMs);
        else {
          const seen = { name: workerId, hardware, firstMs: atMs, lastMs: atMs };
          this.#workers.set(workerId, seen);
        }
        return;
      }
      default:
    }
  }

  #told(message: GatewayMessage | Extract<InstanceMessage, { type: 'worker.run-query' }>): void {
    if (message.type === 'worker.run-query') {
      const query = this.#queries.get(message.queryId);
      if (query !== undefined) query.batch = message.batch;
      return;
    }
    if (message.type !== 'gateway.query-answered') return;
    const { answer } = message;
    if (!answer.ok) {
      this.#tally.refused(answer.error.code);
      return;
    }
    this.#tally.served(answer);
    this.#occupancyUsd += answer.costUsd;
  }

  /** An instance's batches: asked of the engine in one turn, done in another. */
  #ran(turn: RecordedTurn, batches: Map<string, Batch>): void {
    const message = turn.message as InstanceMessage | undefined;
    const asked = batches.get(turn.self.path);
    if (message?.type === 'instance.batch-ran' && asked?.size !== undefined) {
      const expectedMs = predictBatchMs(asked.variant.profile, asked.size);
      if (expectedMs > 0) this.#slowdowns.push(message.inferMs / expectedMs);
    }
    for (const [, , told] of turn.told) {
      const command = told as EngineCommand;
      if (command.type === 'engine.load-variant') {
        batches.set(turn.self.path, { variant: command.variant, size: undefined });
      }
      const loaded = batches.get(turn.self.path);
      if (command.type === 'engine.run-batch' && loaded !== undefined) {
        loaded.size = command.queries.reduce((sum, { batch }) => sum + batch, 0);
      }
    }
  }
}

interface Batch {
  readonly variant: Variant;
  size: number | undefined;
}
