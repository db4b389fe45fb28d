/**
 * The fit: from the latency of a few batches to that of any. INFaaS fits a line to batches 1, 4 and
 * 8 and extrapolates to 64, which is where its predictions go wrong (reference: released code);
 * here every measured batch counts, and a line is taken only where one is right.
 *
 * A line averages noise away where time really is a·b + c. Where it is not (kernels that prefer
 * multiples of 4, caches that overflow), a monotone piecewise line through the measured points is
 * taken. Leaving out one point after the other and predicting it from the rest tells which.
 */

import { type LatencyFit, type LatencyPoint, predictFit } from '../../domain/profile.ts';

/** A line may miss a measured point by this share of it, or by twice what that point may be off. */
const missMax = 0.03;

/** Of two that err alike, to this sum of relative errors, the simpler is taken. */
const noBetter = 1e-3;

/** The spread of points that do not state theirs. */
const spreadUnstated = 0.01;

/**
 * Fits measured points, ascending by batch; predicted ones among them are ignored. The result never
 * falls with the batch and is positive for every batch >= 1. Throws without a measured point.
 */
export function fitLatency(latency: readonly LatencyPoint[]): LatencyFit {
  const points = latency.filter(({ predicted }) => predicted !== true);
  const piecewise = fitPiecewise(points);
  const line = fitLine(points);
  if (line === undefined || !passesNear(line, points)) return piecewise;
  const lineError = leftOutError(points, fitLine);
  const piecewiseError = leftOutError(points, fitPiecewise);
  return lineError <= piecewiseError + noBetter ? line : piecewise;
}

/**
 * Least squares of relative errors: without the weights, a percent of batch 64 would outweigh all
 * of batch 1. Undefined where no rising line with a positive start fits.
 */
export function fitLine(points: readonly LatencyPoint[]): LatencyFit | undefined {
  if (points.length < 2) return undefined;
  let [sum, sumX, sumY, sumXX, sumXY] = [0, 0, 0, 0, 0];
  for (const { batch, ms } of points) {
    const weight = 1 / (ms * ms);
    sum += weight;
    sumX += weight * batch;
    sumY += weight * ms;
    sumXX += weight * batch * batch;
    sumXY += weight * batch * ms;
  }
  const determinant = sum * sumXX - sumX * sumX;
  if (!(determinant > 0)) return undefined;
  const slopeMs = (sum * sumXY - sumX * sumY) / determinant;
  const interceptMs = (sumXX * sumY - sumX * sumXY) / determinant;
  if (!(slopeMs >= 0 && interceptMs >= 0 && slopeMs + interceptMs > 0)) return undefined;
  return { kind: 'line', interceptMs, slopeMs };
}

/**
 * The closest points that never fall: neighbours that do are pooled into their weighted mean (pool
 * adjacent violators), each weighted by how sure it is.
 */
export function fitPiecewise(points: readonly LatencyPoint[]): LatencyFit {
  if (points.length === 0) throw new RangeError('no measured latency to fit');
  interface Pool {
    weight: number;
    ms: number;
    readonly batches: number[];
  }
  const pools: Pool[] = [];
  for (const { batch, ms, spread = spreadUnstated } of points) {
    const doubt = ms * Math.min(1, Math.max(spread, 1e-3));
    let pool: Pool = { weight: 1 / (doubt * doubt), ms, batches: [batch] };
    for (let last = pools.at(-1); last !== undefined && last.ms > pool.ms; last = pools.at(-1)) {
      pools.pop();
      const weight = last.weight + pool.weight;
      const pooledMs = (last.ms * last.weight + pool.ms * pool.weight) / weight;
      pool = { weight, ms: pooledMs, batches: [...last.batches, ...pool.batches] };
    }
    pools.push(pool);
  }
  const knots = pools.flatMap(({ ms, batches }) => batches.map((batch) => ({ batch, ms })));
  return { kind: 'piecewise', points: knots };
}

function passesNear(fit: LatencyFit, points: readonly LatencyPoint[]): boolean {
  return points.every(({ batch, ms, spread = spreadUnstated }) => {
    const miss = Math.abs(predictFit(fit, batch) / ms - 1);
    return miss <= Math.max(missMax, 2 * Math.min(spread, 0.1));
  });
}

/**
 * Sum of relative errors at inner points, each predicted from the others; 0 without inner points.
 */
function leftOutError(
  points: readonly LatencyPoint[],
  fit: (points: readonly LatencyPoint[]) => LatencyFit | undefined,
): number {
  let sum = 0;
  for (let left = 1; left < points.length - 1; left += 1) {
    const point = points[left];
    const fitted = fit(points.filter((_, index) => index !== left));
    if (point === undefined) continue;
    sum += fitted === undefined ? 1 : Math.abs(predictFit(fitted, point.batch) / point.ms - 1);
  }
  return sum;
}
