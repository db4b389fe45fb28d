/**
 * Drives the engine port as an instance would: commands in, events awaited in order. Real actor
 * host, real processes.
 */

import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

import type { EngineCommand, EngineEvent, EngineQuery } from '../../actors/instance/engine-port.ts';
import type { Variant } from '../../actors/domain/variant.ts';
import { createOnnxEngine, type OnnxEngine } from '../../nodes/adapters/onnx-engine.ts';
import { createSystemClock } from '../../nodes/adapters/system-clock.ts';
import { type EngineConfigInput, engineConfigSchema } from '../../nodes/engine/config.ts';
import type { ActorHost, Ref } from '../../runtime/actor.ts';
import { silentLogger } from '../../runtime/log.ts';
import { silentMetrics } from '../../runtime/metrics.ts';
import { createNactHost } from '../../runtime/nact-host.ts';
import type { NamedTensors } from '../../runtime/wire/tensors.ts';

export type EventOf<T extends EngineEvent['type']> = Extract<EngineEvent, { type: T }>;

export interface EngineDriver {
  readonly engine: OnnxEngine;
  /** An instance that is told to load; nothing is awaited. */
  instance(variant: Variant): DrivenInstance;
  /** The same, loaded. */
  loaded(variant: Variant): Promise<DrivenInstance>;
  close(): Promise<void>;
}

export interface DrivenInstance {
  /** The next event, which must be of this type. */
  next<T extends EngineEvent['type']>(type: T): Promise<EventOf<T>>;
  /** Sends a batch; nothing is awaited. */
  send(queries: readonly EngineQuery[], hangMs?: number, dueMs?: number): void;
  /** Sends a batch and awaits its results. */
  run(queries: readonly EngineQuery[]): Promise<readonly NamedTensors[]>;
  unload(): Promise<void>;
}

export function createEngineDriver(config: EngineConfigInput = {}): EngineDriver {
  const host = createNactHost({
    node: 'test',
    clock: createSystemClock(),
    seed: 1,
    log: silentLogger,
    metrics: silentMetrics,
  });
  const engine = createOnnxEngine({
    host,
    cores: 2,
    config: engineConfigSchema.parse({ shutdownMs: 500, ...config }),
    log: silentLogger,
    metrics: silentMetrics,
  });
  let instances = 0;
  const instance = (variant: Variant): DrivenInstance => {
    instances += 1;
    return driveInstance(host, engine.port, variant, `instance-${String(instances)}`);
  };
  return {
    engine,
    instance,
    loaded: async (variant) => {
      const driven = instance(variant);
      await driven.next('instance.variant-loaded');
      return driven;
    },
    close: async () => {
      await engine.shutdown();
      await host.shutdown();
    },
  };
}

function driveInstance(
  host: ActorHost,
  engine: Ref<EngineCommand>,
  variant: Variant,
  instanceId: string,
): DrivenInstance {
  const events: EngineEvent[] = [];
  let wake: (() => void) | undefined;
  const replyTo = host.port(instanceId, (event: EngineEvent) => {
    events.push(event);
    wake?.();
  });
  const next = async <T extends EngineEvent['type']>(type: T): Promise<EventOf<T>> => {
    while (events.length === 0) await new Promise<void>((resolve) => (wake = resolve));
    const event = events.shift();
    if (event?.type !== type) {
      throw new Error(`${type} was expected of ${variant.id}, not ${JSON.stringify(event)}`);
    }
    return event as EventOf<T>;
  };
  host.tell(engine, { type: 'engine.load-variant', instanceId, variant, replyTo });
  let batchId = 0;
  const send = (queries: readonly EngineQuery[], hangMs = 20_000, dueMs = 0): void => {
    batchId += 1;
    host.tell(engine, {
      type: 'engine.run-batch',
      instanceId,
      batchId,
      queries,
      priority: 0,
      dueMs,
      late: false,
      hangMs,
    });
  };
  return {
    next,
    send,
    run: async (queries) => {
      send(queries);
      const ran = await next('instance.batch-ran');
      if (ran.batchId !== batchId) throw new Error(`batch ${String(ran.batchId)} was answered`);
      return ran.results;
    },
    unload: async () => {
      host.tell(engine, { type: 'engine.unload-variant', instanceId });
      await next('instance.variant-unloaded');
    },
  };
}

/** False once it has ended, also where nobody has collected it yet. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  try {
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${String(pid)}/stat`, 'utf8'));
  } catch {
    return process.platform !== 'linux';
  }
}

/** Polls until it holds; the test's own timeout is the bound. */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await delay(10);
}
