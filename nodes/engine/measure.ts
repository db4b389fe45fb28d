/**
 * What a freshly loaded variant takes on this hardware: a warm-up run and a few timed ones, within
 * a budget. They make the first queries as fast as later ones and tell an instance how far this
 * machine is from the one that was profiled.
 */

import type { LatencyPoint } from '../../actors/domain/profile.ts';
import { alignedBytes } from './frames.ts';
import { zeroPart } from './feeds.ts';
import type { GraphTensor, LoadRequest } from './messages.ts';
import { type LaneSession, runSession } from './session.ts';

const runsMax = 9;
const batchMeasured = 8;

/**
 * What integer scalars are tried with, in turn: they steer a graph (a number of steps, a sampling
 * rate), and not every graph takes a zero. Small ones first: they cannot make a run long.
 */
const scalarsTried = [0n, 1n, 16_000n];

/** A batch of made-up inputs. */
interface Sample {
  readonly shapes: readonly (readonly number[])[];
  readonly byteLengths: readonly number[];
  readonly body: Uint8Array;
}

/**
 * Medians at batch 1 and at `min(8, batchMax)`, of inputs that are zeros, in at most about
 * `measureMs` and one run. Nothing where the graph takes no such inputs, which is no reason not to
 * load it.
 */
export async function measureSession(
  session: LaneSession,
  request: LoadRequest,
): Promise<LatencyPoint[]> {
  const endMs = performance.now() + request.measureMs;
  const scalar = await acceptedScalar(session);
  if (scalar === undefined) return [];
  const larger = Math.min(batchMeasured, request.batchMax);
  const budgetMs = (endMs - performance.now()) / (larger > 1 ? 2 : 1);
  const first = { batch: 1, ms: await medianMs(session, sampleOf(session, 1, scalar), budgetMs) };
  const leftMs = endMs - performance.now();
  // The larger batch needs a warm-up and at least one more run.
  if (larger === 1 || first.ms * larger * 2 > leftMs) return [first];
  try {
    const sample = sampleOf(session, larger, scalar);
    return [first, { batch: larger, ms: await medianMs(session, sample, leftMs) }];
  } catch {
    return [first];
  }
}

/** The scalar with which a batch of 1 runs; the run also warms the session up. */
async function acceptedScalar(session: LaneSession): Promise<bigint | undefined> {
  const scalars = session.inputs.some(isScalar) ? scalarsTried : scalarsTried.slice(0, 1);
  for (const scalar of scalars) {
    try {
      await runOnce(session, sampleOf(session, 1, scalar));
      return scalar;
    } catch {
      // Not that one; the next.
    }
  }
  return undefined;
}

function isScalar({ datatype, shape }: GraphTensor): boolean {
  return shape.every((size) => size === 1) && (datatype === 'INT64' || datatype === 'INT32');
}

function sampleOf({ inputs }: LaneSession, batch: number, scalar: bigint): Sample {
  const parts = inputs.map((input) => zeroPart(input, batch));
  const byteLengths = parts.map(({ data }) => data.byteLength);
  const body = new Uint8Array(byteLengths.reduce((sum, bytes) => sum + alignedBytes(bytes), 0));
  const view = new DataView(body.buffer);
  let at = 0;
  inputs.forEach((input, index) => {
    if (isScalar(input)) {
      if (input.datatype === 'INT64') view.setBigInt64(at, scalar, true);
      else view.setInt32(at, Number(scalar), true);
    }
    at += alignedBytes(byteLengths[index] ?? 0);
  });
  return { shapes: parts.map(({ shape }) => shape), byteLengths, body };
}

async function medianMs(session: LaneSession, sample: Sample, budgetMs: number): Promise<number> {
  const endMs = performance.now() + budgetMs;
  // The first run of a size also allocates; it counts only when there is no time for another.
  let times = [await runOnce(session, sample)];
  for (let run = 0; run < runsMax && performance.now() < endMs; run += 1) {
    const ms = await runOnce(session, sample);
    times = run === 0 ? [ms] : [...times, ms];
  }
  times.sort((a, b) => a - b);
  return times[times.length >> 1] ?? 0;
}

async function runOnce(session: LaneSession, sample: Sample): Promise<number> {
  const { shapes, byteLengths, body } = sample;
  const wanted = session.outputs.map((_, index) => index);
  return (await runSession(session, shapes, byteLengths, wanted, body)).inferMs;
}
