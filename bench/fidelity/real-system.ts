/**
 * The real system of the comparison: our processes on a nats-server, one worker with one core, the
 * zoo's digit models under profiles that the real profiler has just measured.
 */

import type { Variant } from '../../actors/domain/variant.ts';
import { connect, type InfaasClient } from '../../client/index.ts';
import { startNatsServer } from '../../nodes/adapters/nats-server.ts';
import { silentLogger } from '../../runtime/log.ts';
import { splitRandom } from '../../runtime/random.ts';
import type { Scenario, Stream } from '../../sim/scenario/scenario.ts';
import { arrivalTimes } from '../../sim/workloads/arrivals.ts';
import { rateOf } from '../../sim/workloads/shape.ts';
import { createZipf } from '../../sim/workloads/zipf.ts';
import { startInfaas } from '../processes.ts';
import { digitBytes } from '../serving.ts';
import { registerMeasured } from '../zoo-here.ts';
import type { Sample } from './figures.ts';

export const models = ['resnet-tta-fp32', 'cnn-large-fp32', 'cnn-small-fp32', 'mlp-fp32'];
export const preload = { 'resnet-tta-fp32': 1 };

export interface RealSystem {
  /** Sends what the scenario comes to, when it comes; resolves when all is answered. */
  play(scenario: Scenario): Promise<readonly Sample[]>;
  stop(): Promise<void>;
}

export async function startRealSystem(variants: readonly Variant[]): Promise<RealSystem> {
  const config = { worker: { preload } };
  const server = await startNatsServer({ log: silentLogger });
  const nats = ['--nats', server.url];
  const controller = await startInfaas('controller', [...nats, '--port', '0'], config);
  const worker = await startInfaas('worker', [...nats, '--cores', '0'], config);
  const client = await connect(String(controller.ready['url']));
  const httpUrl = String(controller.ready['httpUrl']);
  for (const variant of variants) await registerMeasured(client, variant);
  await untilLoaded(httpUrl);
  return {
    play: (scenario) => play(client, scenario),
    stop: async () => {
      await client.close();
      await worker.stop();
      await controller.stop();
      await server.stop();
    },
  };
}

async function untilLoaded(httpUrl: string): Promise<void> {
  for (;;) {
    const response = await fetch(`${httpUrl}/v1/instances`);
    const { instances } = (await response.json()) as { instances: readonly { state: string }[] };
    if (instances.some(({ state }) => state === 'active')) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

interface Due {
  readonly atMs: number;
  readonly query: Parameters<InfaasClient['query']>[0];
}

async function play(client: InfaasClient, scenario: Scenario): Promise<readonly Sample[]> {
  const due = scenario.load
    .flatMap((stream, index) => queriesOf(scenario, stream, index))
    .sort((a, b) => a.atMs - b.atMs);
  const samples: Sample[] = [];
  const pending: Promise<void>[] = [];
  const startMs = performance.now();
  for (const { atMs, query } of due) {
    const waitMs = atMs - (performance.now() - startMs);
    if (waitMs > 1) await new Promise((resolve) => setTimeout(resolve, waitMs));
    const counts = atMs >= 1_000 * scenario.warmUpS;
    pending.push(
      client.query(query).then((answer) => {
        if (!counts) return;
        if (!answer.ok)
          samples.push({ ok: false, met: false, totalMs: 0, batchSize: 0, inferMs: 0 });
        else {
          const { timing, slo, servedBy } = answer;
          const { totalMs, inferMs } = timing;
          samples.push({ ok: true, met: slo.met, totalMs, batchSize: servedBy.batchSize, inferMs });
        }
      }),
    );
  }
  await Promise.all(pending);
  return samples;
}

/**
 * As the simulator draws them (`sim/scenario/run-scenario.ts`): the same seed, the same
 * queries.
 */
function queriesOf(scenario: Scenario, stream: Stream, index: number): Due[] {
  const { seed, durationS, warmUpS, loadFactor } = scenario;
  const warmUpMs = 1_000 * warmUpS;
  const rate = rateOf(stream.shape, 1_000 * durationS, seed + index);
  const times = arrivalTimes(
    (timeMs) => loadFactor * rate(Math.max(0, timeMs - warmUpMs)),
    stream.arrivals,
    warmUpMs + 1_000 * durationS,
    splitRandom(seed, `arrivals ${String(index)}`),
  );
  const { task, architectures, latencyMs, accuracyMin, onMiss, timeoutMs } = stream;
  const draw = createZipf(
    Math.max(1, architectures.length),
    stream.zipf,
    splitRandom(seed, `queries ${String(index)}`),
  );
  const data = new Float32Array(digitBytes().buffer);
  const inputs = { image: { datatype: 'FP32' as const, shape: [1, 1, 28, 28], data } };
  const slo = {
    ...(latencyMs === undefined ? {} : { latencyMs }),
    ...(accuracyMin === undefined ? {} : { accuracyMin }),
  };
  return [...times].map((atMs) => {
    const what = task === undefined ? { architecture: architectures[draw()] ?? '' } : { task };
    return { atMs, query: { ...what, slo, onMiss, timeoutMs, inputs } };
  });
}
