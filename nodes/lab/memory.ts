/**
 * What a model takes of memory: resident growth since before it was loaded, at its peak. A process
 * remembers its own peak; where that was reached before the model came, what is seen is counted.
 */

export interface MemoryGauge {
  /** Looks; call after whatever may have grown. */
  look(): void;
  /** Largest growth seen or remembered, bytes. */
  growthBytes(): number;
  residentBytes(): number;
}

export function createMemoryGauge(): MemoryGauge {
  const before = process.memoryUsage.rss();
  const peakBefore = peakBytes();
  let seen = before;
  return {
    look: () => {
      seen = Math.max(seen, process.memoryUsage.rss());
    },
    growthBytes: () => {
      const peak = peakBytes();
      return Math.max(0, (peak > peakBefore ? Math.max(peak, seen) : seen) - before);
    },
    residentBytes: () => process.memoryUsage.rss(),
  };
}

function peakBytes(): number {
  return process.resourceUsage().maxRSS * 1024;
}
