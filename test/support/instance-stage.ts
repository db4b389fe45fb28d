/** An instance under test, with an engine that answers when the test says so. */

import { type InstanceConfig, instanceSpec } from '../../actors/instance/behaviour.ts';
import type { EngineCommand } from '../../actors/instance/engine-port.ts';
import type { InstanceMessage } from '../../actors/instance/protocol.ts';
import type { InstanceObserved, MonitorMessage } from '../../actors/monitor/protocol.ts';
import { refOf } from '../../runtime/actor.ts';
import { anySpec, Recording } from './recording-context.ts';
import { outcomesOf } from './run-queries.ts';
import { mebibyte, variantOf, type VariantParts } from './variants.ts';

const engineRef = refOf<EngineCommand>('worker', 1, '/engine');
const monitorRef = refOf<MonitorMessage>('worker', 1, '/worker/monitor');

type RunBatch = Extract<EngineCommand, { type: 'engine.run-batch' }>;

export class InstanceStage extends Recording<unknown, InstanceMessage> {
  constructor(parts: VariantParts = {}, config: Partial<InstanceConfig> = {}) {
    super(
      anySpec(
        instanceSpec({
          id: 'w1/v-1',
          epoch: () => 3,
          variant: variantOf('v', parts),
          engine: engineRef,
          monitor: monitorRef,
          config: {
            queueMax: 100,
            mailboxMax: 100,
            batching: 'adaptive',
            hangMs: 1_000,
            hangFactor: 10,
            ...config,
          },
        }),
      ),
    );
  }

  /** Since `forget`, `load-variant` and the like. */
  get commands(): string[] {
    return this.toldTo(engineRef).map(({ type }) => type.replace('engine.', ''));
  }

  get accounts(): InstanceObserved[] {
    return this.toldTo(monitorRef).filter(
      ({ type }) => type === 'monitor.instance-observed',
    ) as InstanceObserved[];
  }

  /** The batch that was last given to the engine. */
  get running(): RunBatch {
    const batches = this.everTold.map(({ message }) => message as EngineCommand);
    const last = batches.filter(({ type }) => type === 'engine.run-batch').at(-1);
    if (last?.type !== 'engine.run-batch') throw new Error('no batch was given to the engine');
    return last;
  }

  /** The load is over; `measuredMs` says how long a single query takes here. */
  load(measuredMs?: number): this {
    const measured = measuredMs === undefined ? [] : [{ batch: 1, ms: measuredMs }];
    this.send({
      type: 'instance.variant-loaded',
      loadMs: 50,
      memoryBytes: 2 * mebibyte,
      measured,
    });
    return this;
  }

  /** The batch that runs is over after `inferMs`. Returns what became of its queries. */
  finishBatch(inferMs = 25): string[] {
    const { batchId, queries } = this.running;
    const results = queries.map(() => ({}));
    this.advance(inferMs).forget().send({ type: 'instance.batch-ran', batchId, inferMs, results });
    return outcomesOf(this);
  }

  /** Likewise, when the engine refused it. */
  failBatch(message = 'no'): string[] {
    const { batchId } = this.running;
    this.advance(25).forget().send({ type: 'instance.batch-failed', batchId, message });
    return outcomesOf(this);
  }
}
