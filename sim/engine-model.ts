/**
 * The engine as a model: the engine port under virtual time, in place of engine hosts and ONNX.
 *
 * A load takes the profile's load time and a batch its T(b), both times the worker's slowdown and
 * with a seeded spread; batches of several instances share the cores (`core-queue.ts`). One
 * model is one engine host: what hangs or crashes costs all that is loaded in it, as in production.
 */

import type { InstanceId } from '../actors/domain/instance.ts';
import { predictBatchMs } from '../actors/domain/profile.ts';
import { batchDimension, type TensorSpec } from '../actors/domain/signature.ts';
import type { Variant } from '../actors/domain/variant.ts';
import { CoreQueue } from '../actors/instance/core-queue.ts';
import type {
  CoresDescribed,
  EngineCommand,
  EngineEvent,
  EngineQuery,
  SessionReleased,
} from '../actors/instance/engine-port.ts';
import type { ActorHost, Ref } from '../runtime/actor.ts';
import { assertNever } from '../runtime/assert.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Random } from '../runtime/random.ts';
import { bytesPerElement, elementCount } from '../runtime/wire/tensors.ts';
import type { NamedTensors, Tensor } from '../runtime/wire/tensors.ts';

/** What may go wrong with a batch: it is refused, never ends, or takes its host down. */
export type EngineFault = 'fails' | 'hangs' | 'crashes';

export interface EngineModelOptions {
  readonly host: Pick<ActorHost, 'port' | 'tell'>;
  /** The host's own: its timers end when it crashes. */
  readonly clock: Clock;
  readonly random: Random;
  /** Batches that run at once. */
  readonly cores: number;
  /** How far a time may be from the predicted one, as a share of it. */
  readonly spread?: number;
  /**
   * Besides: by what a batch's time is multiplied, as evenly spaced quantiles, drawn from anew for
   * each (as measured on real hardware, say). A load is not.
   */
  readonly noise?: readonly number[];
  /** How much slower this hardware is than the one profiled. */
  readonly slowdown?: number;
  /** By how much each other batch that runs slows a batch that starts, as a share. */
  readonly interference?: number;
  /** Asked when a batch starts; `chanceOfFault` makes one. */
  readonly faultOf?: (variant: Variant, queries: readonly EngineQuery[]) => EngineFault | undefined;
  /** Why a variant does not load, asked when its load ends. */
  readonly loadFaultOf?: (variant: Variant) => string | undefined;
  /** What a query's outputs are; by default zeros of the declared shapes. */
  readonly answer?: (variant: Variant, query: EngineQuery) => NamedTensors;
}

/** Faults by chance: the probabilities that a batch fails, hangs or crashes. */
export function chanceOfFault(
  random: Random,
  chances: Readonly<Record<EngineFault, number>>,
): () => EngineFault | undefined {
  return () => {
    let left = random();
    for (const fault of ['fails', 'hangs', 'crashes'] as const) {
      if (left < chances[fault]) return fault;
      left -= chances[fault];
    }
    return undefined;
  };
}

interface Resident {
  readonly instanceId: InstanceId;
  readonly variant: Variant;
  readonly replyTo: Ref<EngineEvent>;
  loaded: boolean;
  /** Asked for before the load was over. */
  unloading: boolean;
  releasedTo: Ref<SessionReleased> | undefined;
}

type RunBatch = Extract<EngineCommand, { type: 'engine.run-batch' }>;

export class EngineModel {
  readonly port: Ref<EngineCommand>;
  /** How much slower than usual everything is that starts now. */
  slowness = 1;
  readonly #options: EngineModelOptions;
  readonly #residents = new Map<InstanceId, Resident>();
  /** Batches that wait for a core. */
  readonly #waiting = new CoreQueue<RunBatch>();
  #running = 0;
  #busyMs = 0;
  /** Counts engine hosts: what an earlier one had under way is void. */
  #life = 0;

  constructor(options: EngineModelOptions) {
    this.#options = options;
    this.port = options.host.port<EngineCommand>('engine', (command) => {
      this.#receive(command);
    });
  }

  /** What is loaded or being loaded, by variant. */
  get loaded(): readonly string[] {
    return [...this.#residents.values()].map(({ variant }) => variant.id);
  }

  /** What those instances hold by their profiles, bytes; each from the start of its load. */
  memoryBytesOf(instanceIds: Iterable<InstanceId>): number {
    let bytes = 0;
    for (const id of instanceIds)
      bytes += this.#residents.get(id)?.variant.profile.memoryBytes ?? 0;
    return bytes;
  }

  /** How often the engine host died. */
  get crashes(): number {
    return this.#life;
  }

  /** Milliseconds of execution that began since this was last asked. */
  takeBusyMs(): number {
    const busyMs = this.#busyMs;
    this.#busyMs = 0;
    return busyMs;
  }

  /** Batches under way. */
  get running(): number {
    return this.#running;
  }

  /** The engine host dies, and with it all that is loaded there; another takes its place. */
  crash(message: string): void {
    const lost = [...this.#residents.values()];
    this.#residents.clear();
    this.#waiting.clear();
    this.#running = 0;
    this.#life += 1;
    for (const resident of lost) {
      this.#tell(resident.replyTo, { type: 'instance.engine-lost', message });
      this.#tellReleased(resident);
    }
  }

  #receive(command: EngineCommand): void {
    switch (command.type) {
      case 'engine.load-variant':
        this.#load(command);
        return;
      case 'engine.run-batch':
        this.#waiting.push(command);
        this.#startWaiting();
        return;
      case 'engine.unload-variant':
        this.#unload(command);
        return;
      case 'engine.describe-cores':
        this.#options.host.tell(command.replyTo, this.#describeCores());
        return;
      default:
        assertNever(command);
    }
  }

  /** Nobody else is on this machine. */
  #describeCores(): CoresDescribed {
    const busy = this.#running / this.#options.cores;
    const cores = Array.from({ length: this.#options.cores }, (_, core) => ({ core, busy }));
    return { type: 'engine.cores-described', cores };
  }

  #load(command: Extract<EngineCommand, { type: 'engine.load-variant' }>): void {
    const { instanceId, variant, replyTo } = command;
    const resident: Resident = {
      ...{ instanceId, variant, replyTo, loaded: false },
      ...{ unloading: false, releasedTo: undefined },
    };
    this.#residents.set(instanceId, resident);
    const loadMs = this.#spread(variant.profile.loadMs);
    this.#after(loadMs, () => {
      this.#finishLoad(resident, loadMs);
    });
  }

  #finishLoad(resident: Resident, loadMs: number): void {
    const { variant, replyTo } = resident;
    const fault = this.#options.loadFaultOf?.(variant);
    if (fault !== undefined) {
      this.#residents.delete(resident.instanceId);
      this.#tell(replyTo, { type: 'instance.load-failed', message: fault });
      this.#tellReleased(resident);
      return;
    }
    resident.loaded = true;
    const { memoryBytes } = variant.profile;
    const measured = [{ batch: 1, ms: this.#spread(predictBatchMs(variant.profile, 1)) }];
    this.#tell(replyTo, { type: 'instance.variant-loaded', loadMs, memoryBytes, measured });
    if (resident.unloading) this.#release(resident);
  }

  #unload({
    instanceId,
    releasedTo,
  }: Extract<EngineCommand, { type: 'engine.unload-variant' }>): void {
    const resident = this.#residents.get(instanceId);
    // Unknown: the command and the news of the crash have crossed.
    if (resident === undefined) {
      this.#tellReleased({ instanceId, releasedTo });
      return;
    }
    resident.releasedTo ??= releasedTo;
    resident.unloading = true;
    if (resident.loaded) this.#release(resident);
  }

  #release(resident: Resident): void {
    this.#residents.delete(resident.instanceId);
    this.#tell(resident.replyTo, { type: 'instance.variant-unloaded' });
    this.#tellReleased(resident);
  }

  #tellReleased({ instanceId, releasedTo }: Pick<Resident, 'instanceId' | 'releasedTo'>): void {
    if (releasedTo === undefined) return;
    this.#options.host.tell(releasedTo, { type: 'worker.session-released', instanceId });
  }

  #startWaiting(): void {
    while (this.#running < this.#options.cores) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      const resident = this.#residents.get(next.instanceId);
      if (resident !== undefined) this.#run(resident, next);
    }
  }

  #run(resident: Resident, { batchId, queries, hangMs }: RunBatch): void {
    const { variant } = resident;
    const fault = this.#options.faultOf?.(variant, queries);
    const size = queries.reduce((sum, { batch }) => sum + batch, 0);
    const crowding = 1 + (this.#options.interference ?? 0) * this.#running;
    const inferMs = crowding * this.#noise() * this.#spread(predictBatchMs(variant.profile, size));
    this.#running += 1;
    this.#busyMs += inferMs;
    if (fault === 'hangs' || inferMs > hangMs) {
      this.#after(hangMs, () => {
        this.crash(`a batch of ${variant.id} hung for ${String(hangMs)} ms`);
      });
      return;
    }
    this.#after(inferMs, () => {
      if (fault === 'crashes') {
        this.crash(`a batch of ${variant.id} crashed its engine host`);
        return;
      }
      this.#running -= 1;
      this.#tell(resident.replyTo, this.#ended(variant, batchId, queries, inferMs, fault));
      this.#startWaiting();
    });
  }

  #ended(
    variant: Variant,
    batchId: number,
    queries: readonly EngineQuery[],
    inferMs: number,
    fault: EngineFault | undefined,
  ): EngineEvent {
    if (fault !== undefined) {
      return { type: 'instance.batch-failed', batchId, message: 'the model refused its input' };
    }
    const answer = this.#options.answer ?? zeros;
    const results = queries.map((query) => answer(variant, query));
    return { type: 'instance.batch-ran', batchId, inferMs, results };
  }

  #spread(ms: number): number {
    const { random, spread = 0, slowdown = 1 } = this.#options;
    return ms * slowdown * this.slowness * (1 + spread * (2 * random() - 1));
  }

  #noise(): number {
    const { random, noise } = this.#options;
    if (noise === undefined) return 1;
    const at = random() * (noise.length - 1);
    const below = Math.floor(at);
    const from = noise[below] ?? 1;
    return from + (at - below) * ((noise[below + 1] ?? from) - from);
  }

  #after(delayMs: number, then: () => void): void {
    const life = this.#life;
    this.#options.clock.schedule(delayMs, () => {
      if (life === this.#life) then();
    });
  }

  #tell(to: Ref<EngineEvent>, event: EngineEvent): void {
    this.#options.host.tell(to, event);
  }
}

function zeros({ signature }: Variant, { batch, outputs }: EngineQuery): NamedTensors {
  const wanted = Object.entries(signature.outputs).filter(
    ([name]) => outputs === undefined || outputs.includes(name),
  );
  return Object.fromEntries(wanted.map(([name, spec]) => [name, zeroTensor(spec, batch)]));
}

/** Free dimensions are 1 long. */
function zeroTensor({ datatype, shape }: TensorSpec, batch: number): Tensor {
  const sizes = shape.map((size) => {
    if (typeof size === 'number') return size;
    return size === batchDimension ? batch : 1;
  });
  const bytes = elementCount(sizes) * bytesPerElement(datatype);
  return { datatype, shape: sizes, data: new Uint8Array(bytes) };
}
