/** A worker under test: its instances and its monitor are refs that only record. */

import type { Hardware } from '../../actors/domain/hardware.ts';
import type { Variant } from '../../actors/domain/variant.ts';
import { defaultStateRules } from '../../actors/domain/instance.ts';
import { defaultMitigationRules } from '../../actors/policy/interference/move-to-idle.ts';
import { defaultScalingRules } from '../../actors/policy/scaling/view.ts';
import type { EngineCommand } from '../../actors/instance/engine-port.ts';
import type { InstanceMessage } from '../../actors/instance/protocol.ts';
import type { MonitorMessage } from '../../actors/monitor/protocol.ts';
import {
  reloadPolicy,
  type WorkerConfig,
  type WorkerOptions,
  workerSpec,
} from '../../actors/worker/behaviour.ts';
import type { WorkerMessage } from '../../actors/worker/protocol.ts';
import { type Ref, refOf, type StopReason } from '../../runtime/actor.ts';
import { anySpec, Recording } from './recording-context.ts';
import { dispatcherRef } from './run-queries.ts';
import { mebibyte } from './variants.ts';

const engineRef = refOf<EngineCommand>('w1', 2, '/engine');
const self = refOf<WorkerMessage>('w1', 2, '/worker');

export const testWorkerConfig: WorkerConfig = {
  mailboxMax: 1_000,
  instancesMax: 16,
  preload: {},
  baseMemoryBytes: mebibyte,
  reload: reloadPolicy,
  instance: { queueMax: 100, mailboxMax: 100, batching: 'adaptive', hangMs: 500, hangFactor: 10 },
  evictAfterMs: 5_000,
  heldMax: 10,
  scaling: {
    policy: 'static',
    tickMs: 1_000,
    mailboxMax: 100,
    rules: defaultScalingRules,
    mitigation: defaultMitigationRules,
  },
  monitor: { windowMs: 1_000, reportMs: 250, rules: defaultStateRules, mailboxMax: 1_000 },
};

export function cpuOf(memoryBytes: number, units = 2, machine?: string): Hardware[] {
  return [{ kind: 'cpu', units, memoryBytes, costUsdPerUnitHour: 0.05, machine }];
}

export class WorkerStage extends Recording<unknown, WorkerMessage> {
  constructor(
    config: Partial<WorkerConfig> = {},
    memoryBytes = 8 * mebibyte,
    sinks: Pick<WorkerOptions, 'fleet' | 'recordsPath'> = {},
  ) {
    super(
      anySpec(
        workerSpec({
          id: 'w1',
          node: 'w1',
          epoch: () => 2,
          hardware: cpuOf(memoryBytes, 2, 'this one'),
          engine: engineRef,
          controller: refOf('controller', 1, '/controller'),
          ...sinks,
          config: { ...testWorkerConfig, ...config },
        }),
      ),
      { self },
    );
  }

  readonly engine = engineRef;
  readonly monitor: Ref<MonitorMessage> = refOf('w1', 2, '/worker/monitor');

  knows(...variants: readonly Variant[]): this {
    return this.send({ type: 'worker.registry-changed', revision: 1, variants });
  }

  /** Names of the instances ever spawned, `v-1` and so on. */
  get loads(): string[] {
    return this.spawned
      .map(({ ref }) => ref.path.replace('/worker/', ''))
      .filter((name) => name !== 'monitor' && name !== 'model-autoscaler');
  }

  instance(name: string): Ref<InstanceMessage> {
    return refOf(self.node, self.epoch, `${self.path}/${name}`);
  }

  /** What the instance was told, by type and query. */
  toldInstance(name: string): string[] {
    return this.toldTo(this.instance(name)).map((message) =>
      'queryId' in message ? `${message.type} ${message.queryId}` : message.type,
    );
  }

  end(name: string, reason: StopReason, detail?: string): void {
    if (!this.terminate(this.instance(name), reason, detail))
      throw new Error(`${name} is not watched`);
  }

  /** What dispatchers were told of one type, since `forget`. */
  get assigned(): string[] {
    return this.toldTo(dispatcherRef)
      .filter((message) => message.type === 'dispatcher.query-assigned')
      .map(({ queryId, instanceId, path }) => `${queryId} ${instanceId} ${path}`);
  }
}
