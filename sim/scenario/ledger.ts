/** What machines cost: each is paid for from its order to its end, whatever it does. */

interface Lease {
  readonly name: string;
  readonly fromMs: number;
  untilMs: number;
  readonly usdPerHour: number;
}

const hourMs = 3_600_000;

export class Ledger {
  private readonly leases: Lease[] = [];

  ordered(name: string, nowMs: number, usdPerHour: number): void {
    this.leases.push({ name, fromMs: nowMs, untilMs: Infinity, usdPerHour });
  }

  ended(name: string, nowMs: number): void {
    for (const lease of this.leases) {
      if (lease.name === name && lease.untilMs === Infinity) lease.untilMs = nowMs;
    }
  }

  usdBetween(fromMs: number, untilMs: number): number {
    return this.leases.reduce((sum, lease) => {
      const forMs = Math.min(untilMs, lease.untilMs) - Math.max(fromMs, lease.fromMs);
      return sum + (Math.max(0, forMs) / hourMs) * lease.usdPerHour;
    }, 0);
  }
}
