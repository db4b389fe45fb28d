/**
 * The provisioner of a machine: spawns worker processes there when told, each on cores of its own,
 * never beyond the cores and the memory that the agent was given, and says what has become of them.
 */

import type {
  FleetMessage,
  ProvisionerCommand,
  WorkerWanted,
} from '../../../actors/fleet-autoscaler/protocol.ts';
import { type Ref, refOf } from '../../../runtime/actor.ts';
import { assertNever } from '../../../runtime/assert.ts';
import type { Node } from '../../node.ts';
import { type SpawnedWorker, spawnWorker, type WorkerProcessOptions } from '../worker-process.ts';

export interface AgentOptions {
  readonly node: Pick<Node, 'name' | 'host' | 'clock' | 'log' | 'config'>;
  readonly cores: readonly number[];
  readonly memoryBytes: number;
  readonly fleet: Ref<FleetMessage>;
  readonly workers: Pick<WorkerProcessOptions, 'natsUrl' | 'logLevel' | 'configFile' | 'recordTo'>;
  /** How a process is started; by default `infaas worker` is. */
  readonly spawn?: (options: WorkerProcessOptions) => SpawnedWorker;
}

export interface Agent {
  /** Ends every worker that it started. */
  close(): Promise<void>;
}

interface Hired {
  readonly process: SpawnedWorker;
  readonly cores: readonly number[];
  readonly memoryBytes: number;
}

type AddWorker = Extract<ProvisionerCommand, { type: 'provisioner.add-worker' }>;

export function startAgent(options: AgentOptions): Agent {
  const machine = new Machine(options);
  machine.report();
  return { close: () => machine.close() };
}

class Machine {
  private readonly options: AgentOptions;
  private readonly port: Ref<ProvisionerCommand>;
  private readonly hired = new Map<string, Hired>();
  private closing = false;

  constructor(options: AgentOptions) {
    this.options = options;
    const { host, name } = options.node;
    const port = host.port<ProvisionerCommand>('agent', (command) => {
      this.receive(command);
    });
    // Its node's epoch may change with a stall; what it started lives on.
    this.port = refOf(name, 0, port.path);
  }

  async close(): Promise<void> {
    this.closing = true;
    await Promise.all([...this.hired.values()].map(({ process }) => process.stop()));
  }

  report(): void {
    if (this.closing) return;
    this.tellRoom();
    const { clock, config } = this.options.node;
    clock.schedule(config.agent.reportMs, () => {
      this.report();
    });
  }

  private tellRoom(): void {
    const { node, fleet } = this.options;
    node.host.tell(fleet, {
      type: 'fleet.provisioner-reported',
      name: node.name,
      provisioner: this.port,
      room: [{ kind: 'cpu', units: this.coresFree().length, memoryBytes: this.memoryFreeBytes() }],
      workers: [...this.hired.keys()],
    });
  }

  private receive(command: ProvisionerCommand): void {
    switch (command.type) {
      case 'provisioner.add-worker':
        this.add(command);
        return;
      case 'provisioner.remove-worker':
        void this.hired.get(command.name)?.process.stop();
        return;
      default:
        assertNever(command);
    }
  }

  private add({ name, wanted, replyTo }: AddWorker): void {
    const memoryBytes = this.memoryFor(wanted);
    const why = this.obstacleTo(name, wanted, memoryBytes);
    const { host, log } = this.options.node;
    if (why !== undefined) {
      host.tell(replyTo, { type: 'fleet.worker-refused', name, why });
      return;
    }
    const cores = this.coresFree().slice(0, wanted.units);
    const spawn = this.options.spawn ?? spawnWorker;
    const process = spawn({
      ...this.options.workers,
      name,
      cores: cores.join(','),
      memory: String(memoryBytes),
    });
    this.hired.set(name, { process, cores, memoryBytes });
    log.info('worker spawned', { worker: name, pid: process.pid, cores });
    process.ready.catch(() => undefined);
    void process.exited.then((how) => {
      this.hired.delete(name);
      log.info('worker ended', { worker: name, how });
      host.tell(replyTo, { type: 'fleet.worker-ended', name, how });
      if (!this.closing) this.tellRoom();
    });
    this.tellRoom();
  }

  private memoryFor({ units, memoryBytes }: WorkerWanted): number {
    if (memoryBytes !== undefined) return memoryBytes;
    const share = units / Math.max(1, this.options.cores.length);
    return Math.floor(this.options.memoryBytes * share);
  }

  private obstacleTo(name: string, wanted: WorkerWanted, memoryBytes: number): string | undefined {
    const { node } = this.options;
    if (this.closing) return `agent ${node.name} is shutting down`;
    if (this.hired.has(name)) return `agent ${node.name} has a worker of that name`;
    if (wanted.kind !== 'cpu') return `agent ${node.name} has no ${wanted.kind}`;
    const cores = this.coresFree().length;
    if (wanted.units > cores) {
      const has = `agent ${node.name} has ${String(cores)} cores left`;
      return `${has}, a worker of ${String(wanted.units)} was wanted`;
    }
    const { workerMemoryMinBytes } = node.config.agent;
    const leftBytes = this.memoryFreeBytes();
    return memoryBytes > leftBytes || memoryBytes < workerMemoryMinBytes
      ? `agent ${node.name} has ${String(leftBytes)} bytes left, ${String(memoryBytes)} were wanted`
      : undefined;
  }

  private coresFree(): number[] {
    const taken = new Set([...this.hired.values()].flatMap(({ cores }) => cores));
    return this.options.cores.filter((core) => !taken.has(core));
  }

  private memoryFreeBytes(): number {
    let bytes = this.options.memoryBytes;
    for (const hired of this.hired.values()) bytes -= hired.memoryBytes;
    return bytes;
  }
}
