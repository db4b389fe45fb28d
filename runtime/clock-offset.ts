/**
 * How late a message is, between two monotonic clocks that share no zero point.
 *
 * `received - sent` is the unknown difference of the clocks plus the time on the way. The least
 * value seen stands for an undisturbed way; what a message has above it is what a stall (of the
 * sender's loop, the bus or ours) added. The least of the last one to two windows is taken, so that
 * clocks that drift apart (500 ppm at most while NTP slews) do not look like a growing stall.
 */

const windowMs = 30_000;

export class LeastOffset {
  private current = Infinity;
  private previous = Infinity;
  private windowEndsMs = -Infinity;

  /** Milliseconds this message is later than the quickest one known; learns from it as well. */
  lateness(sentAtMs: number, receivedAtMs: number): number {
    const offset = receivedAtMs - sentAtMs;
    if (receivedAtMs >= this.windowEndsMs) {
      this.previous = receivedAtMs < this.windowEndsMs + windowMs ? this.current : Infinity;
      this.current = Infinity;
      this.windowEndsMs = receivedAtMs + windowMs;
    }
    if (offset < this.current) this.current = offset;
    return offset - Math.min(this.current, this.previous);
  }
}
