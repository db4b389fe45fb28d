/** Gathers what a run does, tenant by tenant and second by second. */

import type { QueryAnswer } from '../../actors/domain/query.ts';
import type { ScenarioReport, Second } from './report.ts';
import type { Scenario } from './scenario.ts';
import { Tally } from './tally.ts';

type Writable<T> = { -readonly [K in keyof T]: T[K] };

export class Measures {
  private readonly seconds: Writable<Second>[];
  private readonly total = new Tally();
  private readonly tenants = new Map<string, Tally>();
  private readonly variants: Record<string, number> = {};
  private occupancyUsd = 0;

  constructor(durationS: number) {
    this.seconds = Array.from({ length: Math.ceil(durationS) }, () => ({
      ...{ asked: 0, served: 0, violations: 0, utilisation: 0, instances: 0, workers: 0 },
    }));
  }

  /** @param timeMs Since the end of the warm-up. */
  asked(timeMs: number, tenant: string): void {
    const second = this.seconds[Math.floor(timeMs / 1_000)];
    if (second === undefined) return;
    second.asked += 1;
    this.total.asked();
    this.tallyOf(tenant).asked();
  }

  /** Of a query that was asked after the warm-up, however late its answer. */
  answered(timeMs: number, tenant: string, answer: QueryAnswer): void {
    // An answer after the end belongs to the last second.
    const second = this.seconds[Math.min(this.seconds.length - 1, Math.floor(timeMs / 1_000))];
    if (second === undefined) return;
    if (!answer.ok) {
      second.violations += 1;
      this.total.refused(answer.error.code);
      this.tallyOf(tenant).refused(answer.error.code);
      return;
    }
    const { servedBy, slo, costUsd } = answer;
    second.served += 1;
    if (!slo.met) second.violations += 1;
    this.total.served(answer);
    this.tallyOf(tenant).served(answer);
    this.variants[servedBy.variant] = (this.variants[servedBy.variant] ?? 0) + 1;
    this.occupancyUsd += costUsd;
  }

  sampled(timeMs: number, fleet: Pick<Second, 'utilisation' | 'instances' | 'workers'>): void {
    const second = this.seconds[Math.floor(timeMs / 1_000)];
    if (second !== undefined) Object.assign(second, fleet);
  }

  report(
    scenario: Scenario,
    machineUsd: number,
    offlineItems: number,
    events: number,
  ): ScenarioReport {
    const { name, policy, seed, durationS } = scenario;
    const { seconds, variants, occupancyUsd } = this;
    const utilisation = seconds.reduce((sum, second) => sum + second.utilisation, 0);
    const tenants = [...this.tenants].map(([tenant, tally]) => [tenant, tally.report(durationS)]);
    return {
      ...{ scenario: name, policy, seed, durationS },
      ...this.total.report(durationS),
      utilisation: utilisation / seconds.length,
      ...{ machineUsd, occupancyUsd, variants },
      tenants: Object.fromEntries(tenants) as ScenarioReport['tenants'],
      ...{ offlineQps: offlineItems / durationS, events, seconds },
    };
  }

  private tallyOf(tenant: string): Tally {
    let tally = this.tenants.get(tenant);
    if (tally === undefined) {
      tally = new Tally();
      this.tenants.set(tenant, tally);
    }
    return tally;
  }
}
