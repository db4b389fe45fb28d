/** How busy the worker's cores are, whoever uses them: what tells idle ones from disturbed ones. */

import { cpus } from 'node:os';

import type { CoreUse } from '../../actors/instance/engine-port.ts';

interface Times {
  readonly idleMs: number;
  readonly allMs: number;
}

export class CoreMeter {
  private readonly cores: readonly number[];
  private before: readonly (Times | undefined)[];

  constructor(cores: readonly number[]) {
    this.cores = cores;
    this.before = this.read();
  }

  /** Busy shares since the last call. */
  measure(): CoreUse[] {
    const now = this.read();
    const used = this.cores.flatMap((core, at) => {
      const from = this.before[at];
      const to = now[at];
      if (from === undefined || to === undefined) return [];
      const allMs = to.allMs - from.allMs;
      const idleMs = to.idleMs - from.idleMs;
      return allMs > 0 ? [{ core, busy: Math.min(1, Math.max(0, 1 - idleMs / allMs)) }] : [];
    });
    this.before = now;
    return used;
  }

  private read(): readonly (Times | undefined)[] {
    const all = cpus();
    return this.cores.map((core) => {
      const times = all[core]?.times;
      if (times === undefined) return undefined;
      const { user, nice, sys, idle, irq } = times;
      return { idleMs: idle, allMs: user + nice + sys + idle + irq };
    });
  }
}
