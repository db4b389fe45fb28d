/** Kinds of hardware, what a worker has of them, and what they cost. */

/** A unit of `inferentia` is a NeuronCore. */
export type HardwareKind = 'cpu' | 'cuda' | 'webgpu' | 'inferentia';

export interface Hardware {
  readonly kind: HardwareKind;
  /** Cores of a CPU that this worker owns; devices of an accelerator. */
  readonly units: number;
  readonly memoryBytes: number;
  readonly costUsdPerUnitHour: number;
  /** The machine type: processor and runtime; undefined where nobody said. */
  readonly machine?: string | undefined;
}

/** What a file may be bound to: a kind of hardware, and perhaps the machine type that made it. */
export interface Bound {
  readonly hardware: HardwareKind;
  readonly machine?: string | undefined;
}

/** Whether it may run on this: files made for one machine type run on no other. */
export function runsOn({ kind, machine }: Hardware, bound: Bound): boolean {
  return kind === bound.hardware && isForMachine(machine, bound.machine);
}

export function isForMachine(machine: string | undefined, wanted: string | undefined): boolean {
  return machine === undefined || wanted === undefined || machine === wanted;
}

/**
 * Price of one core for an hour: m5.2xlarge on demand, $0.384 for 8 vCPU (the INFaaS paper's
 * CPU worker, `reference/infaas.md` §7).
 */
export const cpuCoreUsdPerHour = 0.384 / 8;

/**
 * Price of a unit of each kind for an hour, where no worker has told its own: on demand, a core as
 * above, a GPU p3.2xlarge's one V100 ($3.06), a NeuronCore a quarter of an inf1.2xlarge ($0.584):
 * the paper's workers.
 */
export const unitUsdPerHour: Readonly<Record<HardwareKind, number>> = {
  cpu: cpuCoreUsdPerHour,
  cuda: 3.06,
  webgpu: 3.06,
  inferentia: 0.584 / 4,
};

/** Cost of occupying one unit for `ms` milliseconds, in US dollars. */
export function occupancyUsd(ms: number, costUsdPerUnitHour: number): number {
  return (ms / 3_600_000) * costUsdPerUnitHour;
}
