/**
 * Machines by the hour, as a model of a cloud: the provisioner port of the fleet-autoscaler. An
 * order is paid for at once and joins after the start-up time of its kind; a machine that is given
 * back finishes what it holds and is paid for until then.
 */

import type { ProvisionerCommand } from '../../actors/fleet-autoscaler/protocol.ts';
import { assertNever } from '../../runtime/assert.ts';
import type { NodeId, Ref } from '../../runtime/actor.ts';
import type { Cluster } from '../cluster/cluster.ts';
import type { SimNode } from '../cluster/network.ts';
import type { Ledger } from './ledger.ts';
import type { MachineGroup } from './scenario.ts';

/** A machine that is given back ends after that, whatever it still holds, as in production. */
const drainMs = 10_000;

export interface CloudOptions {
  readonly cluster: () => Cluster;
  readonly ledger: Ledger;
  /** At most one a kind of hardware is rented from. */
  readonly groups: readonly MachineGroup[];
  readonly start: (name: NodeId, group: MachineGroup) => void;
}

type AddWorker = Extract<ProvisionerCommand, { type: 'provisioner.add-worker' }>;
type RemoveWorker = Extract<ProvisionerCommand, { type: 'provisioner.remove-worker' }>;

export class Cloud {
  private readonly options: CloudOptions;
  private readonly rented = new Map<NodeId, 'ordered' | 'up' | 'leaving'>();

  constructor(options: CloudOptions) {
    this.options = options;
  }

  /** On the controller's node, as a user's command would be run. */
  portOn({ host }: Pick<SimNode, 'host'>): Ref<ProvisionerCommand> {
    return host.port<ProvisionerCommand>('cloud', (command) => {
      switch (command.type) {
        case 'provisioner.add-worker':
          this.order(command, host);
          return;
        case 'provisioner.remove-worker':
          this.giveBack(command, host);
          return;
        default:
          assertNever(command);
      }
    });
  }

  private order({ name, wanted, replyTo }: AddWorker, host: SimNode['host']): void {
    const { groups, ledger, cluster, start } = this.options;
    const group = groups.find(({ hardware }) => hardware === wanted.kind);
    if (group === undefined) {
      const why = `no machines with ${wanted.kind} are for rent`;
      host.tell(replyTo, { type: 'fleet.worker-refused', name, why });
      return;
    }
    ledger.ordered(name, cluster().nowMs(), group.usdPerHour);
    this.rented.set(name, 'ordered');
    host.clock.schedule(group.startUpS * 1_000, () => {
      if (this.rented.get(name) !== 'ordered') return;
      this.rented.set(name, 'up');
      start(name, group);
    });
  }

  private giveBack({ name, replyTo }: RemoveWorker, host: SimNode['host']): void {
    const state = this.rented.get(name);
    if (state === undefined || state === 'leaving') return;
    const { ledger, cluster } = this.options;
    const end = (how: string): void => {
      if (!this.rented.delete(name)) return;
      cluster().crash(name);
      ledger.ended(name, cluster().nowMs());
      host.tell(replyTo, { type: 'fleet.worker-ended', name, how });
    };
    const worker = cluster().workers.get(name);
    if (worker === undefined) {
      end('it was given back before it was up');
      return;
    }
    this.rented.set(name, 'leaving');
    worker.node.host.tell(worker.ref, { type: 'worker.drain' });
    worker.node.host.watch(worker.ref, () => {
      end('it was given back');
    });
    host.clock.schedule(drainMs, () => {
      end('it was given back, and ended with work undone');
    });
  }
}
