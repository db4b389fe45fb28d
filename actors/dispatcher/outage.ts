/**
 * A lost bus, or the last worker gone: queries wait a while, since most outages are a restart; an
 * outage that lasts is said, to clients and to whoever asks whether this gateway is ready.
 */

import type { ActorContext } from '../../runtime/actor.ts';
import { type QueryError, queryError } from '../domain/outcome.ts';
import type { Dispatching } from './dispatching.ts';
import type { DispatcherMessage, LoadReported, Readiness } from './protocol.ts';

type Context = ActorContext<DispatcherMessage>;

/** Why nothing can run now: `short`, so that queries wait, or the error when it lasts. */
export function outageOf(dispatching: Dispatching, ctx: Context): QueryError | 'short' | 'none' {
  if (dispatching.busLostAtMs !== undefined) {
    return dispatching.isBusOutage ? busLostError(dispatching, ctx) : 'short';
  }
  if (dispatching.workersGoneAtMs === undefined) return 'none';
  return dispatching.areWorkersGone ? workersGoneError(dispatching.workersGoneAtMs, ctx) : 'short';
}

function workersGoneError(sinceMs: number, { nowMs }: Context): QueryError {
  const seconds = ((nowMs - sinceMs) / 1000).toFixed(0);
  const message = `the last worker went ${seconds} s ago; start one with \`infaas worker\``;
  return queryError('unavailable', message);
}

function busLostError(dispatching: Dispatching, { nowMs }: Context): QueryError {
  const seconds = ((nowMs - (dispatching.busLostAtMs ?? nowMs)) / 1000).toFixed(0);
  const { busName = 'the bus' } = dispatching.options;
  return queryError(
    'unavailable',
    `${busName} has not been reachable from this gateway for ${seconds} s, so no worker is; ` +
      'it is dialled all the time, try again',
  );
}

/** What room there is for offline work: what the workers said last of their online queries. */
export function loadOf({ index, table }: Dispatching): LoadReported {
  return {
    type: 'offline.load-reported',
    workers: index.workerList.map(({ report }) => ({
      units: report.hardware.reduce((sum, { units }) => sum + units, 0),
      onlineUtilisation: report.onlineUtilisation ?? report.utilisation,
    })),
    inFlight: table.size,
  };
}

export function readinessOf(
  { index, busLostAtMs }: Dispatching,
  { self }: Pick<Context, 'self'>,
): Readiness {
  const busConnected = busLostAtMs === undefined;
  const reachable = index.workerList.filter(({ ref }) => busConnected || ref.node === self.node);
  return {
    type: 'gateway.readiness-reported',
    workers: reachable.length,
    variants: index.variants.size,
    busConnected,
  };
}
