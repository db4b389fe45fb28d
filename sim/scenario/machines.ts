/**
 * The machines of a scenario: those that it starts with, those that incidents take, and those that
 * the fleet-autoscaler orders and gives back. This is its provisioner, in place of agents and
 * clouds; every machine is paid for from its order to its end.
 */

import { fleetNode, fleetRef } from '../cluster/scaling.ts';
import type { Cluster } from '../cluster/cluster.ts';
import type { FleetMessage, ProvisionerCommand } from '../../actors/fleet-autoscaler/protocol.ts';
import type { Hardware, HardwareKind } from '../../actors/domain/hardware.ts';
import type { FleetLimits } from '../../actors/policy/fleet/view.ts';
import type { Ref } from '../../runtime/actor.ts';
import type { NamedTensors } from '../../runtime/wire/tensors.ts';
import { Ledger } from './ledger.ts';
import type { MachineGroup, Scenario } from './scenario.ts';

const secondMs = 1_000;
/** A worker that is told to go is given this long to finish, as `infaas worker` is. */
const drainMs = 10_000;
/** Outputs are not what a scenario is about. */
const noOutputs: NamedTensors = {};

/** Workers that there are to be and may be; what is not elastic is neither added nor removed. */
export function limitsOf(
  fleet: readonly MachineGroup[],
): Readonly<Partial<Record<HardwareKind, FleetLimits>>> {
  const limits: Partial<Record<HardwareKind, FleetLimits>> = {};
  for (const { hardware, count, min, max } of fleet) {
    const known = limits[hardware] ?? { min: 0, max: 0 };
    const isElastic = min < count || max > count;
    limits[hardware] = { min: known.min + (isElastic ? min : 0), max: known.max + max };
  }
  return limits;
}

/** What a machine that is ordered has. */
export function newWorkersOf(
  fleet: readonly MachineGroup[],
): Readonly<Partial<Record<HardwareKind, Hardware>>> {
  return Object.fromEntries(fleet.map((group) => [group.hardware, hardwareOf(group)]));
}

function hardwareOf({ hardware, units, memoryBytes, usdPerHour }: MachineGroup): Hardware {
  return { kind: hardware, units, memoryBytes, costUsdPerUnitHour: usdPerHour / units };
}

export class Machines {
  readonly ledger = new Ledger();
  readonly #cluster: Cluster;
  readonly #scenario: Scenario;
  /** The group of every machine that there is, is coming, or will come back. */
  readonly #groups = new Map<string, MachineGroup>();
  readonly #leaving = new Set<string>();

  constructor(cluster: Cluster, scenario: Scenario) {
    this.#cluster = cluster;
    this.#scenario = scenario;
  }

  /** Starts what the scenario begins with, and schedules what it says will be lost. */
  begin(): void {
    const { fleet, incidents, warmUpS } = this.#scenario;
    for (const group of fleet) {
      for (let at = 1; at <= group.count; at += 1) {
        this.#start(group, `${group.name}-${String(at)}`, 0);
      }
    }
    for (const incident of incidents) {
      this.#schedule(warmUpS + incident.atS, () => {
        if (incident.kind === 'cut') this.#cutOff(incident.machine, incident.forS);
        else if (incident.kind === 'kill') this.#kill(incident.machine, incident.backAfterS);
        else this.#lose(incident.machine, incident.backAfterS);
      });
    }
    this.#report();
  }

  /** The provisioner port: what the fleet-autoscaler asks for. */
  provision(command: ProvisionerCommand): void {
    const { name, replyTo } = command;
    if (command.type === 'provisioner.remove-worker') {
      this.#remove(name, replyTo);
      return;
    }
    const group = this.#scenario.fleet.find(
      (each) => each.hardware === command.wanted.kind && this.#roomOf(each) > 0,
    );
    if (group === undefined) {
      this.#tell(replyTo, { type: 'fleet.worker-refused', name, why: 'there is no machine left' });
    } else this.#start(group, name, group.startUpS);
  }

  #start(group: MachineGroup, name: string, startUpS: number): void {
    this.#groups.set(name, group);
    this.ledger.ordered(name, this.#cluster.nowMs(), group.usdPerHour);
    if (startUpS === 0) this.#startWorker(group, name);
    else {
      this.#schedule(startUpS, () => {
        this.#startWorker(group, name);
      });
    }
  }

  #startWorker(group: MachineGroup, name: string): void {
    if (!this.#groups.has(name)) return;
    const { spread, noise, interference } = this.#scenario;
    this.#cluster.startWorker({
      name,
      hardware: [hardwareOf(group)],
      engine: {
        ...{ spread, interference, answer: () => noOutputs },
        ...(noise === undefined ? {} : { noise }),
      },
    });
  }

  /** Its worker's process alone: the machine stays, and starts another. */
  #kill(name: string, backAfterS: number): void {
    const group = this.#groups.get(name);
    if (group === undefined) return;
    this.#cluster.crash(name);
    this.#schedule(backAfterS, () => {
      if (!this.#leaving.has(name)) this.#startWorker(group, name);
    });
  }

  /** @param machine Undefined: everybody. */
  #cutOff(machine: string | undefined, forS: number): void {
    const nodes = [...this.#cluster.nodes()].filter(({ name }) => (machine ?? name) === name);
    for (const { connection } of nodes) connection?.cut();
    this.#schedule(forS, () => {
      for (const { connection } of nodes) connection?.restore();
    });
  }

  #lose(name: string, backAfterS: number | undefined): void {
    const group = this.#groups.get(name);
    if (group === undefined) return;
    this.#cluster.crash(name);
    this.ledger.ended(name, this.#cluster.nowMs());
    if (backAfterS === undefined) this.#groups.delete(name);
    else {
      this.#schedule(backAfterS, () => {
        this.#start(group, name, group.startUpS);
      });
    }
  }

  #remove(name: string, replyTo: Ref<FleetMessage>): void {
    if (!this.#groups.has(name) || this.#leaving.has(name)) return;
    this.#leaving.add(name);
    let ended = false;
    const end = (): void => {
      if (ended) return;
      ended = true;
      this.#leaving.delete(name);
      this.#groups.delete(name);
      this.#cluster.crash(name);
      this.ledger.ended(name, this.#cluster.nowMs());
      this.#tell(replyTo, { type: 'fleet.worker-ended', name, how: 'it was told to go' });
    };
    const worker = this.#cluster.workers.get(name);
    if (worker === undefined) {
      end();
      return;
    }
    worker.node.host.watch(worker.ref, end);
    worker.node.host.tell(worker.ref, { type: 'worker.drain' });
    this.#schedule(drainMs / secondMs, end);
  }

  #roomOf(group: MachineGroup): number {
    let there = 0;
    for (const each of this.#groups.values()) if (each === group) there += 1;
    return group.max - there;
  }

  /** Every second, as agents do. Its room is counted in machines. */
  #report(): void {
    const { fleet } = this.#scenario;
    const elastic = fleet.filter(({ min, max, count }) => min < count || max > count);
    if (elastic.length === 0) return;
    const controller = this.#cluster.controller;
    if (controller?.provisioner !== undefined) {
      const workers = [...this.#groups].flatMap(([name, group]) =>
        elastic.includes(group) ? [name] : [],
      );
      this.#tell(fleetRef, {
        type: 'fleet.provisioner-reported',
        name: 'scenario',
        provisioner: controller.provisioner,
        room: elastic.map((group) => ({
          kind: group.hardware,
          units: this.#roomOf(group),
          memoryBytes: group.memoryBytes,
        })),
        workers,
      });
    }
    this.#schedule(1, () => {
      this.#report();
    });
  }

  #tell(to: Ref<FleetMessage>, message: FleetMessage): void {
    const { controller } = this.#cluster;
    if (controller?.node.name === fleetNode) controller.node.host.tell(to, message);
  }

  #schedule(afterS: number, then: () => void): void {
    this.#cluster.simulation.clock.schedule(afterS * secondMs, then);
  }
}
