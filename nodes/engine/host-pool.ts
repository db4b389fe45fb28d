/**
 * A worker's engine hosts: one that innocent variants share, one for each suspect, and one for each
 * core that an instance was moved to. Started when a load needs them, so a host that died is
 * replaced by the next load and not before.
 */

import type { VariantId } from '../../actors/domain/variant.ts';
import type { Logger } from '../../runtime/log.ts';
import type { Metrics } from '../../runtime/metrics.ts';
import type { EngineConfig } from './config.ts';
import { HostProcess } from './host-process.ts';
import { chooseLane } from './lane-choice.ts';
import type { LaneLink } from './lane-link.ts';
import { pinTo } from './pin.ts';
import { Quarantine } from './quarantine.ts';

export interface HostPoolOptions {
  /** How many cores the worker owns, or which: then hosts are pinned to them where possible. */
  readonly cores: number | readonly number[];
  readonly config: EngineConfig;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly lost: (host: HostProcess, why: string) => void;
}

/** Where an instance lives until it is unloaded. */
export interface Residence {
  readonly host: HostProcess;
  readonly lane: LaneLink;
}

/** How often lanes are checked for hangs; one is found after its limit and at most two of these. */
const hangCheckMs = 25;

export class HostPool {
  private readonly options: HostPoolOptions;
  private readonly hosts = new Set<HostProcess>();
  private shared: HostProcess | undefined;
  private readonly quarantine: Quarantine;
  private readonly quarantineHosts = new Map<VariantId, HostProcess>();
  /** By the cores that they are pinned to, apart from the shared host. */
  private readonly apartHosts = new Map<string, HostProcess>();
  private readonly hangTimer: NodeJS.Timeout;

  constructor(options: HostPoolOptions) {
    this.options = options;
    this.quarantine = new Quarantine(options.config.quarantineBatches);
    this.hangTimer = setInterval(() => {
      const nowMs = performance.now();
      for (const host of this.hosts) host.checkHang(nowMs);
    }, hangCheckMs);
    this.hangTimer.unref();
  }

  pids(): number[] {
    return [...this.hosts].map(({ pid }) => pid);
  }

  /** Starts the shared host ahead of the first load, which then need not wait for it. */
  warm(): void {
    this.shared ??= this.start(this.laneCount());
  }

  /** Whether instances can be given cores of their own. */
  get canPin(): boolean {
    return typeof this.options.cores !== 'number' && pinTo(this.options.cores).length > 0;
  }

  /**
   * A lane for a new instance, on given cores where it is to be apart; starts a host when there is
   * none for it. A suspect goes to its quarantine wherever it was to be.
   */
  settle(variantId: VariantId, cores?: readonly number[]): Residence {
    const host = this.quarantine.holds(variantId)
      ? this.quarantineHost(variantId)
      : cores === undefined || !this.canPin
        ? (this.shared ??= this.start(this.laneCount()))
        : this.apartHost(cores);
    const nowMs = performance.now();
    const loads = host.lanes.map((lane) => ({
      sameVariant: lane.residents.filter((resident) => resident === variantId).length,
      instances: lane.residents.length,
      utilisation: lane.utilisation(nowMs),
    }));
    const lane = host.lanes[chooseLane(loads)];
    if (lane === undefined) throw new RangeError('an engine host has lanes');
    lane.residents.push(variantId);
    return { host, lane };
  }

  /** The instance is gone from its lane; a quarantine host without any ends. */
  leave({ host, lane }: Residence, variantId: VariantId): void {
    const position = lane.residents.indexOf(variantId);
    if (position >= 0) lane.residents.splice(position, 1);
    if (host === this.shared || host.lanes.some(({ residents }) => residents.length > 0)) return;
    this.detach(host);
    void host.close(this.options.config.shutdownMs).then(() => this.hosts.delete(host));
  }

  ranWell(variantId: VariantId): void {
    this.quarantine.ranWell(variantId);
  }

  /** Resolves when no host is left running. */
  async shutdown(): Promise<void> {
    clearInterval(this.hangTimer);
    const { shutdownMs } = this.options.config;
    await Promise.all([...this.hosts].map((host) => host.close(shutdownMs)));
    this.hosts.clear();
  }

  private laneCount(): number {
    const { config, cores } = this.options;
    return config.lanes ?? Math.max(1, typeof cores === 'number' ? cores : cores.length);
  }

  private quarantineHost(variantId: VariantId): HostProcess {
    const living = [...new Set(this.quarantineHosts.values())];
    const full = living.length >= this.options.config.quarantineHostsMax;
    const host =
      this.quarantineHosts.get(variantId) ?? (full ? living.at(-1) : undefined) ?? this.start(1);
    this.quarantineHosts.set(variantId, host);
    return host;
  }

  private apartHost(cores: readonly number[]): HostProcess {
    const key = cores.join(',');
    const host = this.apartHosts.get(key) ?? this.start(cores.length, cores);
    this.apartHosts.set(key, host);
    return host;
  }

  private start(
    lanes: number,
    cores: number | readonly number[] = this.options.cores,
  ): HostProcess {
    const { config, log, metrics } = this.options;
    const host = new HostProcess({
      lanes,
      pin: typeof cores === 'number' ? [] : pinTo(cores),
      config,
      log,
      lost: (lost, why, suspects) => {
        this.hosts.delete(lost);
        this.detach(lost);
        for (const suspect of suspects) this.quarantine.suspect(suspect);
        log.error('engine host lost', { pid: lost.pid, why, suspects });
        metrics.count('infaas_engine_hosts_lost_total');
        this.options.lost(lost, why);
      },
    });
    this.hosts.add(host);
    metrics.count('infaas_engine_hosts_started_total');
    log.info('engine host started', { pid: host.pid, lanes });
    return host;
  }

  /** No instance settles there any more. */
  private detach(host: HostProcess): void {
    if (this.shared === host) this.shared = undefined;
    for (const [variantId, of] of this.quarantineHosts) {
      if (of === host) this.quarantineHosts.delete(variantId);
    }
    for (const [cores, of] of this.apartHosts) {
      if (of === host) this.apartHosts.delete(cores);
    }
  }
}
