/**
 * Times runs on a machine that others use too. The lesser of wall and processor time counts: the
 * first holds what neighbours did with our core, the second what this process did beside the run.
 * One thread that does not spin accounts for neither; more threads than one use more processor time
 * than wall time, so there wall time counts.
 */

export type Stopwatch = (run: () => Promise<{ readonly inferMs: number }>) => Promise<number>;

/** How long is looked at the processor clock to see how fine it is. */
const probeMs = 4;
/** A clock that ticks in milliseconds cannot time a run of one. */
const stepsMin = 20;

export function createStopwatch(): Stopwatch {
  const fine = processorClockIsFine();
  return async (run) => {
    const before = process.cpuUsage();
    const { inferMs } = await run();
    const used = process.cpuUsage(before);
    const usedMs = (used.user + used.system) / 1000;
    return fine && usedMs > 0 ? Math.min(inferMs, usedMs) : inferMs;
  };
}

function processorClockIsFine(): boolean {
  const seen = new Set<number>();
  const endMs = performance.now() + probeMs;
  while (performance.now() < endMs) {
    const { user, system } = process.cpuUsage();
    seen.add(user + system);
  }
  return seen.size >= stepsMin;
}
