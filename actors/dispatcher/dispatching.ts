/** What a dispatcher is set to, and what it holds. */

import type { Ref } from '../../runtime/actor.ts';
import type { ControllerMessage } from '../controller/protocol.ts';
import type { SelectionPolicyName } from '../policy/selection/index.ts';
import type { DecisionLog } from './decision-log.ts';
import type { FleetIndex } from './fleet-index.ts';
import type { Foresight } from './foresight.ts';
import type { InFlightTable } from './in-flight.ts';
import type { GatewayMessage, SelectionMade, WorkerKnown } from './protocol.ts';

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
  /** Recent queries whose decisions are kept for `explain`; 0 keeps none. */
  readonly explainedMax: number;
  /** Expected cost of the way to an instance and back, ms. */
  readonly hopMs: number;
  /** How long queries wait for a lost bus; then only what this process can serve is served. */
  readonly busOutageMs?: number;
  /** How long queries wait for a worker after the last one went; then none is expected. */
  readonly workersGoneMs?: number;
  /** Told nothing by the controller for so long, it attaches anew. */
  readonly forgottenMs?: number;
}

export interface DispatcherOptions {
  readonly config: DispatcherConfig;
  readonly controller: Ref<ControllerMessage>;
  /** How the bus is called in messages for people: `NATS at nats://127.0.0.1:4222`. */
  readonly busName?: string | undefined;
  /** This node's epoch: 0 until it has joined, and then attaches what lives on it. */
  readonly epoch: () => number;
  /** Whoever has queries here: told of each start, for what an earlier life held is lost. */
  readonly gateways: () => readonly Ref<GatewayMessage>[];
  /** Who keeps what becomes of the fleet, in the same process; if anybody. */
  readonly records?: Ref<WorkerKnown> | undefined;
}

export interface Dispatching {
  readonly options: DispatcherOptions;
  readonly index: FleetIndex;
  readonly table: InFlightTable;
  readonly decisions: DecisionLog;
  readonly foresight: Foresight;
  /** Since when the bus is lost; undefined while it is there. */
  busLostAtMs: number | undefined;
  /** It has been lost for longer than queries wait for it. */
  isBusOutage: boolean;
  /** Since when no worker is in view; undefined while there is one, and before the first. */
  workersGoneAtMs: number | undefined;
  /** There has been none for longer than queries wait for one. */
  areWorkersGone: boolean;
  wakeAtMs: number;
  /** Told of each selection; nobody, unless somebody subscribed to them. */
  selectionsTo: Ref<SelectionMade> | undefined;
}
