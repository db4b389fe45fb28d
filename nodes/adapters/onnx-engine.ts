/**
 * The engine of a worker: runs variants on ONNX Runtime, in processes apart, behind the engine
 * port.
 *
 * Each instance has a session in one lane of an engine host (`engine/host-pool.ts`). What hangs or
 * crashes costs its host: its instances are told `instance.engine-lost`, and the next load starts
 * another.
 */

import type {
  EngineCommand,
  EngineEvent,
  SessionReleased,
} from '../../actors/instance/engine-port.ts';
import type { InstanceId } from '../../actors/domain/instance.ts';
import type { Variant } from '../../actors/domain/variant.ts';
import type { ActorHost, Ref } from '../../runtime/actor.ts';
import { assertNever } from '../../runtime/assert.ts';
import { messageOf } from '../../runtime/errors.ts';
import type { Logger } from '../../runtime/log.ts';
import type { Metrics } from '../../runtime/metrics.ts';
import type { EngineConfig } from '../engine/config.ts';
import { CoreMeter } from '../engine/core-use.ts';
import { answerBatch, feedBatch, type FeedPlan, planFeeds } from '../engine/feeds.ts';
import { HostPool, type Residence } from '../engine/host-pool.ts';
import type { HostProcess } from '../engine/host-process.ts';
import type { LaneReply, LoadRequest, RanReply } from '../engine/messages.ts';
import type { ModelFiles, ModelLease } from '../stores/model-files.ts';

export interface OnnxEngineOptions {
  readonly host: Pick<ActorHost, 'port' | 'closePort' | 'tell'>;
  /** How many cores the worker owns, or which: then hosts are pinned to them where possible. */
  readonly cores: number | readonly number[];
  readonly config: EngineConfig;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** Where files are had from; by default they lie where variants say. */
  readonly files?: ModelFiles | undefined;
}

export interface OnnxEngine {
  readonly port: Ref<EngineCommand>;
  /** Starts a host ahead of the first load. */
  warm(): void;
  /** Of the living engine hosts, e.g. to account for their memory. */
  pids(): readonly number[];
  /** Finishes what runs within `shutdownMs`, then kills. Afterwards nothing is left running. */
  shutdown(): Promise<void>;
}

/** The engine behind a port named `engine`. Starts nothing before `warm` or the first load. */
export function createOnnxEngine(options: OnnxEngineOptions): OnnxEngine {
  const engine = new Engine(options);
  const port = options.host.port<EngineCommand>('engine', (command) => {
    engine.receive(command);
  });
  return {
    port,
    warm: () => {
      engine.warm();
    },
    pids: () => engine.pool.pids(),
    shutdown: async () => {
      await engine.shutdown();
      options.host.closePort(port);
    },
  };
}

type Command<T extends EngineCommand['type']> = Extract<EngineCommand, { type: T }>;

/** Loads and releases go before batches. */
const first = { priority: Infinity, dueMs: -Infinity, late: false } as const;

interface Resident {
  readonly variant: Variant;
  readonly plan: FeedPlan;
  readonly replyTo: Ref<EngineEvent>;
  readonly residence: Residence;
  /** The lane's name for it. */
  readonly session: number;
  /** Its files; undefined where nobody looked after them. */
  readonly lease: ModelLease | undefined;
  leaving: boolean;
  releasedTo: Ref<SessionReleased> | undefined;
}

/** An instance whose files are on their way. */
interface Arriving {
  readonly replyTo: Ref<EngineEvent>;
  readonly abort: AbortController;
}

class Engine {
  readonly pool: HostPool;
  private readonly options: OnnxEngineOptions;
  private readonly residents = new Map<InstanceId, Resident>();
  private readonly arriving = new Map<InstanceId, Arriving>();
  private readonly meter: CoreMeter;
  private sessions = 0;
  private closed = false;

  constructor(options: OnnxEngineOptions) {
    this.options = options;
    this.meter = new CoreMeter(typeof options.cores === 'number' ? [] : options.cores);
    this.pool = new HostPool({
      cores: options.cores,
      config: options.config,
      log: options.log,
      metrics: options.metrics,
      lost: (host, why) => {
        this.lose(host, why);
      },
    });
  }

  receive(command: EngineCommand): void {
    switch (command.type) {
      case 'engine.load-variant':
        this.load(command);
        return;
      case 'engine.run-batch':
        this.run(command);
        return;
      case 'engine.unload-variant':
        this.unload(command);
        return;
      case 'engine.describe-cores':
        this.describeCores(command);
        return;
      default:
        assertNever(command);
    }
  }

  /** A host that cannot be started now is tried again by the first load, which says so. */
  warm(): void {
    try {
      this.pool.warm();
    } catch (error) {
      this.options.log.warn('no engine host could be started', { error: messageOf(error) });
    }
  }

  async shutdown(): Promise<void> {
    this.closed = true;
    for (const { abort } of this.arriving.values()) abort.abort();
    this.arriving.clear();
    await this.pool.shutdown();
    for (const { lease } of this.residents.values()) lease?.release();
    this.residents.clear();
  }

  /** Where cores cannot be chosen there is nothing to say of them. */
  private describeCores({ replyTo }: Command<'engine.describe-cores'>): void {
    const cores = this.pool.canPin ? this.meter.measure() : [];
    this.options.host.tell(replyTo, { type: 'engine.cores-described', cores });
  }

  private load(command: Command<'engine.load-variant'>): void {
    const { instanceId, replyTo } = command;
    if (this.closed) {
      this.refuse(replyTo, 'the engine is shutting down');
    } else if (this.residents.has(instanceId) || this.arriving.has(instanceId)) {
      this.refuse(replyTo, `${instanceId} is loaded already`);
    } else if (this.options.files === undefined) {
      this.settle(command, undefined);
    } else {
      void this.fetch(command, this.options.files);
    }
  }

  /** Gets its files first; meanwhile it may be unloaded again. */
  private async fetch(command: Command<'engine.load-variant'>, files: ModelFiles): Promise<void> {
    const { instanceId, variant, replyTo } = command;
    const arriving: Arriving = { replyTo, abort: new AbortController() };
    this.arriving.set(instanceId, arriving);
    try {
      const lease = await files.acquire(variant.file, { signal: arriving.abort.signal });
      if (this.arriving.get(instanceId) === arriving) {
        this.arriving.delete(instanceId);
        this.settle(command, lease);
      } else {
        lease.release();
      }
    } catch (error) {
      if (this.arriving.get(instanceId) !== arriving) return;
      this.arriving.delete(instanceId);
      this.refuse(replyTo, `its file cannot be had: ${messageOf(error)}`);
    }
  }

  private settle(
    { instanceId, variant, cores, replyTo }: Command<'engine.load-variant'>,
    lease: ModelLease | undefined,
  ): void {
    let residence: Residence;
    try {
      residence = this.pool.settle(variant.id, cores);
    } catch (error) {
      // No process can be started at all.
      lease?.release();
      this.refuse(replyTo, `no engine host for it: ${messageOf(error)}`);
      return;
    }
    this.sessions += 1;
    const plan = planFeeds(variant);
    const resident: Resident = {
      ...{ variant, plan, replyTo, residence, session: this.sessions, lease },
      ...{ leaving: false, releasedTo: undefined },
    };
    this.residents.set(instanceId, resident);
    residence.lane.submit(
      {
        variantId: variant.id,
        what: 'its load',
        ...first,
        limitMs: this.options.config.loadHangMs,
        answered: (reply) => {
          const event = loadEvent(reply);
          if (event.type === 'instance.load-failed') this.forget(instanceId, resident);
          this.tell(replyTo, event);
        },
      },
      loadRequest(resident, this.options.config),
    );
  }

  private refuse(replyTo: Ref<EngineEvent>, message: string): void {
    this.tell(replyTo, { type: 'instance.load-failed', message });
  }

  private run(command: Command<'engine.run-batch'>): void {
    const { instanceId, batchId, queries, priority, dueMs, late, hangMs } = command;
    const resident = this.residents.get(instanceId);
    if (resident === undefined) {
      this.countLate(command);
      return;
    }
    const { plan, replyTo, residence, session, variant } = resident;
    const fail = (error: unknown): void => {
      this.tell(replyTo, { type: 'instance.batch-failed', batchId, message: messageOf(error) });
    };
    try {
      const { shapes, byteLengths, body, wanted } = feedBatch(plan, queries);
      const answered = (reply: LaneReply, bytes: Uint8Array): void => {
        try {
          const ran = ranReply(reply);
          const results = answerBatch(plan, queries, wanted, ran, bytes);
          this.tell(replyTo, { type: 'instance.batch-ran', batchId, inferMs: ran[0], results });
          this.pool.ranWell(variant.id);
        } catch (error) {
          fail(error);
        }
      };
      residence.lane.submit(
        {
          variantId: variant.id,
          what: `a batch of ${String(queries.length)}`,
          limitMs: hangMs,
          priority,
          dueMs,
          late,
          answered,
        },
        [session, shapes, byteLengths, wanted],
        body,
      );
    } catch (error) {
      fail(error);
    }
  }

  private unload(command: Command<'engine.unload-variant'>): void {
    const { instanceId } = command;
    const arriving = this.arriving.get(instanceId);
    if (arriving !== undefined) {
      this.arriving.delete(instanceId);
      arriving.abort.abort();
      this.tell(arriving.replyTo, { type: 'instance.variant-unloaded' });
      this.tellReleased(instanceId, command.releasedTo);
      return;
    }
    const resident = this.residents.get(instanceId);
    if (resident === undefined) {
      this.countLate(command);
      this.tellReleased(instanceId, command.releasedTo);
      return;
    }
    resident.releasedTo ??= command.releasedTo;
    if (resident.leaving) return;
    resident.leaving = true;
    resident.residence.lane.submit(
      {
        variantId: resident.variant.id,
        what: 'its release',
        ...first,
        limitMs: this.options.config.loadHangMs,
        answered: () => {
          this.forget(instanceId, resident);
          this.tell(resident.replyTo, { type: 'instance.variant-unloaded' });
        },
      },
      { type: 'unload', session: resident.session },
    );
  }

  private lose(host: HostProcess, message: string): void {
    for (const [instanceId, resident] of this.residents) {
      if (resident.residence.host !== host) continue;
      this.residents.delete(instanceId);
      resident.lease?.release();
      const type = host.started ? 'instance.engine-lost' : 'instance.load-failed';
      this.tell(resident.replyTo, { type, message });
      this.tellReleased(instanceId, resident.releasedTo);
    }
  }

  private forget(
    instanceId: InstanceId,
    { residence, variant, lease, releasedTo }: Resident,
  ): void {
    this.residents.delete(instanceId);
    lease?.release();
    this.pool.leave(residence, variant.id);
    this.tellReleased(instanceId, releasedTo);
  }

  private tellReleased(instanceId: InstanceId, to: Ref<SessionReleased> | undefined): void {
    if (to === undefined) return;
    this.options.host.tell(to, { type: 'worker.session-released', instanceId });
  }

  /** The command and the news that its instance's engine is lost have crossed. */
  private countLate({ type }: EngineCommand): void {
    this.options.metrics.count('infaas_engine_commands_late_total', 1, { type });
  }

  private tell(to: Ref<EngineEvent>, event: EngineEvent): void {
    this.options.host.tell(to, event);
  }
}

function loadRequest(
  { variant, plan, session, lease }: Resident,
  config: EngineConfig,
): LoadRequest {
  return {
    type: 'load',
    session,
    file: lease?.file ?? variant.file,
    verified: lease !== undefined,
    inputs: plan.inputs.map(({ graph }) => graph),
    outputs: plan.outputs.map(({ graph }) => graph),
    batchMax: variant.batchMax,
    measureMs: config.measureMs,
  };
}

function loadEvent(reply: LaneReply): EngineEvent {
  if ('type' in reply && reply.type === 'loaded') {
    const { loadMs, memoryBytes, measured } = reply;
    return { type: 'instance.variant-loaded', loadMs, memoryBytes, measured };
  }
  const message = 'type' in reply && reply.type === 'failed' ? reply.message : 'no answer';
  return { type: 'instance.load-failed', message };
}

/** Throws the lane's failure. */
function ranReply(reply: LaneReply): RanReply {
  if (!('type' in reply)) return reply;
  throw new Error(reply.type === 'failed' ? reply.message : `a lane answered "${reply.type}"`);
}
