/** Kinds of hardware, what a worker has of them, and what they cost. */

export type HardwareKind = 'cpu' | 'cuda' | 'webgpu';

export interface Hardware {
  readonly kind: HardwareKind;
  /** Cores of a CPU that this worker owns; devices of an accelerator. */
  readonly units: number;
  readonly memoryBytes: number;
  readonly costUsdPerUnitHour: number;
}

/**
 * Price of one core for an hour: m5.2xlarge on demand, $0.384 for 8 vCPU (the INFaaS paper's
 * CPU worker, `reference/infaas.md` §7).
 */
export const cpuCoreUsdPerHour = 0.384 / 8;

/** Cost of occupying one unit for `ms` milliseconds, in US dollars. */
export function occupancyUsd(ms: number, costUsdPerUnitHour: number): number {
  return (ms / 3_600_000) * costUsdPerUnitHour;
}
