/** What the fleet-autoscaler is set to, and what it holds. */

import type { ActorContext, Ref } from '../../runtime/actor.ts';
import type { DecisionMade } from '../domain/decision.ts';
import type { Hardware, HardwareKind } from '../domain/hardware.ts';
import type { WorkerId } from '../domain/worker.ts';
import type { Variant, VariantId } from '../domain/variant.ts';
import type { FleetPolicyName, FleetScaler } from '../policy/fleet/index.ts';
import type { FleetLimits, FleetRules } from '../policy/fleet/view.ts';
import type { ControllerMessage } from '../controller/protocol.ts';
import type { Expectations } from '../policy/planning/demand.ts';
import type { Assignment } from '../policy/planning/assign.ts';
import type { Paces } from '../policy/planning/pace.ts';
import type { Plan, PlanProblem } from '../policy/planning/problem.ts';
import type {
  FleetMessage,
  PlannerCommand,
  ProvisionerCommand,
  ProvisionerReported,
} from './protocol.ts';

export interface FleetConfig {
  readonly policy: FleetPolicyName;
  readonly tickMs: number;
  readonly mailboxMax: number;
  readonly limits: Readonly<Partial<Record<HardwareKind, FleetLimits>>>;
  readonly rules: FleetRules;
  /** Units of a worker that is added. */
  readonly workerUnits: number;
  /** Memory of a worker that is added; undefined: the provisioner's choice. */
  readonly workerMemoryBytes: number | undefined;
  /** What a new worker of a kind has, where it is known and another than these. */
  readonly newWorkers?: Readonly<Partial<Record<HardwareKind, Hardware>>> | undefined;
  /** A worker that has not joined by then never comes up. */
  readonly startTimeoutMs: number;
  /** One that ends sooner after its start has died young. */
  readonly youngMs: number;
  /** After a failed start or a young death: first this long, then twice that, and so on. */
  readonly backoffMs: number;
  readonly backoffMaxMs: number;
  /** What has not become of a placement by then is given up. */
  readonly placeTimeoutMs: number;
  /** A worker or a provisioner not heard of for so long is gone. */
  readonly silentMs: number;
}

export interface FleetOptions {
  readonly config: FleetConfig;
  /** Asked where no agent has room: a user's command, say. */
  readonly provisioner?: Ref<ProvisionerCommand> | undefined;
  readonly decisions?: Ref<DecisionMade> | undefined;
  /** Whom a policy that plans asks for the registry. */
  readonly controller?: Ref<ControllerMessage> | undefined;
  /** Solves plans off the loop; undefined: greedily, here. */
  readonly planner?: Ref<PlannerCommand> | undefined;
}

type Reported = Extract<FleetMessage, { type: 'fleet.worker-reported' }>;
export type PlaceRequest = Extract<FleetMessage, { type: 'fleet.place-variant' }>;

export interface KnownWorker {
  report: Reported;
  atMs: number;
  readonly firstMs: number;
}

export interface Provisioner {
  report: ProvisionerReported;
  atMs: number;
}

export interface Starting {
  readonly kind: HardwareKind;
  readonly provisioner: Ref<ProvisionerCommand>;
  readonly sinceMs: number;
}

/** One more instance of a variant was asked of a worker. */
export interface Placement {
  readonly variantId: VariantId;
  readonly to: WorkerId;
  /** That many serve there when it is done. */
  readonly count: number;
  /** Who is told then; undefined: the removal that it is part of waits for it. */
  readonly request: PlaceRequest | undefined;
  readonly removing: WorkerId | undefined;
  readonly untilMs: number;
}

/** Machines to buy for what comes until they are up; the best mix on those that there are. */
export interface Problems {
  readonly buy: PlanProblem;
  readonly mix: PlanProblem;
}

/** What is remembered for planning; empty where the policy does not plan. */
export interface PlanningState {
  revision: number;
  variants: ReadonlyMap<VariantId, Variant>;
  expectations: Expectations;
  paces: Paces;
  requests: number;
  /** Sent to the planner, not solved yet. */
  asked:
    { readonly requestId: number; readonly problems: Problems; readonly atMs: number } | undefined;
  askedAtMs: number;
  /** What the last plan was made for, a class, and what a unit carries of it. */
  planned: ReadonlyMap<string, { readonly rateQps: number; readonly unitQps: number }>;
  plannedWorkers: string;
  /** What it took the last worker to come up. */
  startMs: number;
  /** Of each kind, what the worker that was seen last had. */
  readonly seen: Map<HardwareKind, Hardware>;
  /** The last plan of what to buy. */
  plan: Plan | undefined;
  /** What the last plan alone would have where. */
  assignment: Assignment;
}

export interface Fleet {
  readonly options: FleetOptions;
  scaler: FleetScaler;
  readonly workers: Map<WorkerId, KnownWorker>;
  readonly provisioners: Map<string, Provisioner>;
  readonly starting: Map<WorkerId, Starting>;
  /** Workers that ended of late, by epoch: a report of theirs may still be on its way. */
  readonly ended: Map<WorkerId, { readonly epoch: number; readonly atMs: number }>;
  /** Workers that are to be removed once their placements are done. */
  readonly removing: Set<WorkerId>;
  /** By who asks for what: asked again it is the same. */
  readonly unplaced: Map<string, { readonly request: PlaceRequest; readonly untilMs: number }>;
  placements: Placement[];
  planning: PlanningState;
  failures: number;
  backoffUntilMs: number;
}

export type Context = ActorContext<FleetMessage>;

/** Who can remove the worker; undefined: nobody started it for us. */
export function provisionerOf(
  { provisioners, options }: Fleet,
  name: WorkerId,
): Ref<ProvisionerCommand> | undefined {
  for (const { report } of provisioners.values()) {
    if (report.workers.includes(name)) return report.provisioner;
  }
  return name.startsWith(commandPrefix) ? options.provisioner : undefined;
}

/** Names of workers that the user's command starts: it keeps no list of them for us. */
export const commandPrefix = 'cloud-';
export const agentPrefix = 'auto-';

export function sinksOf({ options }: Fleet): readonly Ref<DecisionMade>[] {
  return options.decisions === undefined ? [] : [options.decisions];
}
