/**
 * How much offline work may be in flight now: what online queries leave of the workers' hardware up
 * to a bound, as a budget of engine time that fills as time goes by and that each offline query
 * draws on. So offline work takes the share that is free and no more, and none once online load
 * fills its workers. What is in flight at once is bounded by time too: an online query waits behind
 * at most about one slice. Pure.
 *
 * Deviation from INFaaS §4.2, which runs offline queries at any time when a worker's utilisation is
 * below a threshold: that leaves bursts of online queries behind whatever was started.
 */

export interface SpareRules {
  /** Busy share of a worker, online and offline together, that offline work may fill it to. */
  readonly utilisationMax: number;
  /** Offline engine time in flight on a unit of hardware, ms; one query where one takes longer. */
  readonly sliceMs: number;
  /** Engine time that may be saved up for later, ms a free unit. */
  readonly savedMs: number;
  readonly inFlightMax: number;
}

export const defaultSpareRules: SpareRules = {
  utilisationMax: 0.75,
  sliceMs: 25,
  savedMs: 200,
  inFlightMax: 256,
};

export interface WorkerSpare {
  readonly units: number;
  /** Busy share with online queries, 0..1, as last reported. */
  readonly onlineUtilisation: number;
}

export interface SpareView {
  readonly elapsedMs: number;
  readonly workers: readonly WorkerSpare[];
  /** Online queries that this gateway has in flight: they are here before any report of them. */
  readonly onlineInFlight: number;
  /** Engine time that an offline query takes, ms; undefined before the first was answered. */
  readonly costMs: number | undefined;
  readonly budgetMs: number;
}

export interface Spare {
  readonly budgetMs: number;
  readonly inFlightMax: number;
  /** Why nothing may be sent; undefined when something may. */
  readonly why: string | undefined;
}

/** Less than this of a unit is no room. */
const leastUnits = 0.02;

export function spareCapacity(view: SpareView, rules: SpareRules): Spare {
  let freeUnits = 0;
  let roomyUnits = 0;
  for (const { units, onlineUtilisation } of view.workers) {
    const free = units * Math.max(0, rules.utilisationMax - onlineUtilisation);
    freeUnits += free;
    if (free > leastUnits) roomyUnits += units;
  }
  if (view.workers.length === 0) return closed(view, 'no worker has joined');
  if (freeUnits <= leastUnits) {
    const share = (100 * rules.utilisationMax).toFixed(0);
    return closed(view, `online queries keep the workers busy (over ${share} %)`);
  }
  if (view.onlineInFlight > roomyUnits) {
    return closed(view, `${String(view.onlineInFlight)} online queries are in flight`);
  }
  const budgetMs = Math.min(rules.savedMs * freeUnits, view.budgetMs + freeUnits * view.elapsedMs);
  const { costMs } = view;
  const aUnit = costMs === undefined ? 1 : Math.max(1, Math.floor(rules.sliceMs / costMs));
  const inFlightMax = Math.min(rules.inFlightMax, Math.ceil(roomyUnits) * aUnit);
  return { budgetMs, inFlightMax, why: undefined };
}

/** Nothing is saved up while there is no room; what is owed stays owed. */
function closed({ budgetMs }: SpareView, why: string): Spare {
  return { budgetMs: Math.min(0, budgetMs), inFlightMax: 0, why };
}
