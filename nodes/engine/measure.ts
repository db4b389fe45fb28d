/**
 * What a freshly loaded variant takes on this hardware: a warm-up run and a few timed ones, within a
 * budget. They make the first queries as fast as later ones and tell an instance how far this
 * machine is from the one that was profiled.
 */

import type { LatencyPoint } from '../../actors/domain/profile.ts';
import { alignedBytes } from './frames.ts';
import { zeroPart } from './feeds.ts';
import type { LoadRequest } from './messages.ts';
import { type LaneSession, runSession } from './session.ts';

const runsMax = 7;
const batchMeasured = 8;

/**
 * Medians at batch 1 and at `min(8, batchMax)`, of inputs that are all zeros, in at most about
 * `measureMs` and one run. Nothing where the graph does not take such inputs: not every graph accepts
 * a zero or a free dimension of 1, and that is no reason not to load it.
 */
export async function measureSession(
  session: LaneSession,
  request: LoadRequest,
): Promise<LatencyPoint[]> {
  const endMs = performance.now() + request.measureMs;
  const measured: LatencyPoint[] = [];
  const larger = Math.min(batchMeasured, request.batchMax);
  const batches = larger > 1 ? [1, larger] : [1];
  for (const batch of batches) {
    const [first] = measured;
    const leftMs = endMs - performance.now();
    // The larger batch needs a warm-up and at least one more run.
    if (first !== undefined && first.ms * batch * 2 > leftMs) break;
    try {
      measured.push({ batch, ms: await medianMs(session, batch, leftMs / (larger > 1 ? 2 : 1)) });
    } catch {
      break;
    }
  }
  return measured;
}

async function medianMs(session: LaneSession, batch: number, budgetMs: number): Promise<number> {
  const parts = session.inputs.map((input) => zeroPart(input, batch));
  const shapes = parts.map(({ shape }) => shape);
  const byteLengths = parts.map(({ data }) => data.byteLength);
  const total = byteLengths.reduce((sum, bytes) => sum + alignedBytes(bytes), 0);
  const body = new Uint8Array(total);
  const wanted = session.outputs.map((_, index) => index);
  const endMs = performance.now() + budgetMs;
  // The first run also allocates; it counts only when there is no time for another.
  let times = [(await runSession(session, shapes, byteLengths, wanted, body)).inferMs];
  for (let run = 0; run < runsMax && performance.now() < endMs; run += 1) {
    const { inferMs } = await runSession(session, shapes, byteLengths, wanted, body);
    times = run === 0 ? [inferMs] : [...times, inferMs];
  }
  times.sort((a, b) => a - b);
  return times[times.length >> 1] ?? 0;
}
