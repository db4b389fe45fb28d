/** What a dispatcher is set to, and what it holds. */

import type { SelectionPolicyName } from '../policy/selection/index.ts';
import type { FleetIndex } from './fleet-index.ts';
import type { InFlightTable } from './in-flight.ts';

export interface DispatcherConfig {
  readonly mailboxMax: number;
  readonly inFlightMax: number;
  readonly inFlightPerTenantMax: number;
  /** Largest batch of a client's own in one query. */
  readonly batchMax: number;
  /** Times a query may be refused, and times it may be running when its engine dies. */
  readonly attemptsMax: number;
  /** Times a query may lose its holder without blame; more is a system that falls apart. */
  readonly lossesMax: number;
  readonly selection: SelectionPolicyName;
  /** Expected cost of the way to an instance and back, ms. */
  readonly hopMs: number;
}

export interface DispatcherOptions {
  readonly config: DispatcherConfig;
}

export interface Dispatching {
  readonly options: DispatcherOptions;
  readonly index: FleetIndex;
  readonly table: InFlightTable;
  busConnected: boolean;
  wakeAtMs: number;
}
