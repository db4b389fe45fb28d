/**
 * Plays a recording again with the actors as they are now, and compares what each tells with what
 * it told then. The same code, policies and configuration tell the same, bit for bit.
 */

import { type DispatcherOptions, dispatcherSpec } from '../../actors/dispatcher/behaviour.ts';
import { fleetAutoscalerSpec, type FleetOptions } from '../../actors/fleet-autoscaler/behaviour.ts';
import { passedOn, type RecordedTold, type Root } from '../../actors/recording/entries.ts';
import type { Piece, RecordedTurn } from '../../actors/recording/read-recording.ts';
import { toldOf } from '../../actors/recording/recordable.ts';
import { type WorkerOptions, workerSpec } from '../../actors/worker/behaviour.ts';
import { assertNever } from '../../runtime/assert.ts';
import { silentLogger } from '../../runtime/log.ts';
import { silentMetrics } from '../../runtime/metrics.ts';
import { ReplayHost } from '../../runtime/replaying.ts';
import { encode } from '../../runtime/wire/codec.ts';

export interface Difference {
  /** Of the turn, from 0. */
  readonly at: number;
  readonly path: string;
  readonly nowMs: number;
  /** Type of the message that it took; `start` or `stop` of none. */
  readonly took: string;
  /** The first message that is not the same; undefined: there is none more. */
  readonly then: RecordedTold | undefined;
  readonly now: RecordedTold | undefined;
}

export interface ReplayReport {
  readonly node: string;
  readonly turns: number;
  /** It ends where its process was killed. */
  readonly cutShort: boolean;
  /** Messages told that are decisions or follow from one, by type. */
  readonly decided: Readonly<Record<string, number>>;
  /** Turns of actors that were there before the recording began: not played. */
  readonly skipped: number;
  readonly different: number;
  readonly differences: readonly Difference[];
}

const differencesKept = 10;

export function replay(recording: Iterable<Piece>): ReplayReport {
  const host = new ReplayHost(silentLogger, silentMetrics);
  const life = { epoch: 0 };
  const decided: Record<string, number> = {};
  const differences: Difference[] = [];
  let different = 0;
  let skipped = 0;
  let turns = 0;
  let node = '';
  let cutShort = true;
  for (const piece of recording) {
    if (piece.kind === 'header') ({ node } = piece.header);
    if (piece.kind === 'root') addRoot(host, piece.root, life);
    if (piece.kind === 'closed') cutShort = false;
    if (piece.kind !== 'turn') continue;
    const { turn } = piece;
    const at = turns;
    turns += 1;
    if (!host.has(turn.self.path)) {
      skipped += 1;
      continue;
    }
    life.epoch = turn.self.epoch;
    const { told, threw } = host.play(turn);
    const now = toldOf(told, turn.message);
    for (const [, , message] of now) {
      const type = message === passedOn ? passedOn : (message as { readonly type: string }).type;
      decided[type] = (decided[type] ?? 0) + 1;
    }
    const first = threw === turn.threw ? firstDifference(turn.told, now) : 0;
    if (first === undefined) continue;
    different += 1;
    if (differences.length < differencesKept) {
      differences.push({
        ...{ at, path: turn.self.path, nowMs: turn.nowMs, took: tookOf(turn) },
        ...{ then: turn.told[first], now: now[first] },
      });
    }
  }
  return { node, turns, cutShort, decided, skipped, different, differences };
}

function addRoot(host: ReplayHost, { path, kind, options }: Root, life: { epoch: number }): void {
  const epoch = (): number => life.epoch;
  switch (kind) {
    case 'dispatcher': {
      const given = { ...options, epoch, gateways: () => [] } as unknown as DispatcherOptions;
      host.add(path, dispatcherSpec(given));
      return;
    }
    case 'worker':
      host.add(path, workerSpec({ ...options, epoch } as unknown as WorkerOptions));
      return;
    case 'fleet-autoscaler':
      host.add(path, fleetAutoscalerSpec(options as FleetOptions));
      return;
    default:
      assertNever(kind);
  }
}

function firstDifference(
  then: readonly RecordedTold[],
  now: readonly RecordedTold[],
): number | undefined {
  const most = Math.max(then.length, now.length);
  for (let at = 0; at < most; at += 1) {
    if (!isSame(then[at], now[at])) return at;
  }
  return undefined;
}

/** By their bytes: what is not sent apart is no difference. */
function isSame(a: RecordedTold | undefined, b: RecordedTold | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  const [left, right] = [encode(a), encode(b)];
  return left.length === right.length && left.every((byte, at) => byte === right[at]);
}

function tookOf({ kind, message }: RecordedTurn): string {
  return kind === 'message' ? (message as { readonly type: string }).type : kind;
}
