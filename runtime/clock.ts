/** The clock port. Only adapters in `nodes/` (real) and `sim/` (virtual) implement it. */

export interface Clock {
  /** Monotonic milliseconds, sub-millisecond resolution; the zero point is arbitrary. */
  nowMs(): number;
  /**
   * Wall-clock milliseconds since the Unix epoch: for records that people read, never for deciding.
   */
  wallMs(): number;
  /** Calls back once after `delayMs`, unless cancelled. Never synchronously. */
  schedule(delayMs: number, callback: () => void): Cancel;
}

export type Cancel = () => void;
