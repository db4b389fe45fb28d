/**
 * Serving against the peers, on compiled output: what a query costs beyond the model, how much goes
 * through at 64 in flight, and whether pings are answered while engines are saturated. What is
 * compared runs interleaved on the same machine in the same minute; medians of the rounds.
 */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import * as ort from 'onnxruntime-node';

import { type Dialect, drive, infaasDialect, plainDialect } from './drive.ts';
import { createMoleculerCaller, type MoleculerCaller } from './peers/moleculer-service.ts';
import { natsRoundTripMs, driveNats } from './nats-drive.ts';
import { root, type Started, startInfaas, startPeer, treePssBytes } from './processes.ts';
import { runPinger } from './run-pinger.ts';
import { startNatsServer } from '../nodes/adapters/nats-server.ts';
import { silentLogger } from '../runtime/log.ts';
import { median, percentile } from './statistics.ts';

export interface BenchModel {
  readonly variant: string;
  readonly file: string;
}

const folder = join(root, 'zoo', 'digit-classification');
export const smallModel: BenchModel = { variant: 'mlp-fp32', file: join(folder, 'mlp.onnx') };
export const cnnModel: BenchModel = {
  variant: 'cnn-small-fp32',
  file: join(folder, 'cnn-small.onnx'),
};
export const mediumModel: BenchModel = {
  variant: 'cnn-large-fp32',
  file: join(folder, 'cnn-large.onnx'),
};
export const heavyModel: BenchModel = {
  variant: 'resnet-tta-fp32',
  file: join(folder, 'resnet-tta.onnx'),
};

const shape = [1, 1, 28, 28];

/** The first held-out digit, as FP32 bytes. */
export function digitBytes(): Uint8Array {
  const file = readFileSync(join(folder, 'heldout-images.npy'));
  const headerBytes = 10 + file.readUInt16LE(8);
  const pixels = Float32Array.from(file.subarray(headerBytes, headerBytes + 784), (p) => p / 255);
  return new Uint8Array(pixels.buffer);
}

export function digitDialect(model: BenchModel): Dialect {
  return infaasDialect(model.variant, { image: { datatype: 'FP32', shape, data: digitBytes() } });
}

/** p50 of `session.run` alone in this process, one thread, ms. */
async function bareRunMs(model: BenchModel, runs = 2_000): Promise<number> {
  const session = await ort.InferenceSession.create(model.file, { intraOpNumThreads: 1 });
  const feeds = { image: new ort.Tensor('float32', new Float32Array(digitBytes().buffer), shape) };
  const times: number[] = [];
  for (let run = 0; run < runs; run += 1) {
    const startMs = performance.now();
    await session.run(feeds);
    times.push(performance.now() - startMs);
  }
  await session.release();
  return median(times);
}

function peerArguments(model: BenchModel, threads: string): string[] {
  return [
    ...['--model', model.file, '--input', 'image', '--output', 'logits'],
    ...['--shape', shape.join(','), '--threads', threads, '--port', '0'],
  ];
}

const portOf = (started: Started): string => `ws://127.0.0.1:${String(started.ready['port'])}`;
const wsOf = (started: Started): string => `${String(started.ready['url'])}/v1/ws`;

/** The peer with default threads and with one; the better is the peer. */
async function startWsPeers(model: BenchModel): Promise<readonly Started[]> {
  return [
    await startPeer('ws-server', peerArguments(model, 'default')),
    await startPeer('ws-server', peerArguments(model, '1')),
  ];
}

/** Long enough for every process on the way to have compiled what is hot. */
const warmUpSeconds = 4;

/** Both sides get the same before anything is measured. */
async function warmUp(url: string, dialect: Dialect, inFlight: number): Promise<void> {
  await drive(url, dialect, inFlight, warmUpSeconds);
}

async function stopAll(started: readonly Started[]): Promise<void> {
  for (const each of [...started].reverse()) await each.stop();
}

const p50 = (latencies: Float64Array): number => percentile(latencies, 0.5);

export interface AddedLatency {
  readonly bareMs: number;
  readonly oursAddedMs: number;
  readonly peerAddedMs: number;
}

/** One query at a time on a small model, embedded. */
export async function measureAddedLatency(rounds: number): Promise<AddedLatency> {
  const ours = await startInfaas('up', ['--zoo', '--nats', 'embedded', '--port', '0'], {
    worker: { preload: { [smallModel.variant]: 1 } },
  });
  const peers = await startWsPeers(smallModel);
  const bare: number[] = [];
  const own: number[] = [];
  const other: number[][] = peers.map(() => []);
  await warmUp(wsOf(ours), digitDialect(smallModel), 1);
  for (const peer of peers) await warmUp(portOf(peer), plainDialect(digitBytes()), 1);
  for (let round = 0; round < rounds; round += 1) {
    bare.push(await bareRunMs(smallModel));
    own.push(p50((await drive(wsOf(ours), digitDialect(smallModel), 1, 1)).latencies));
    for (const [at, peer] of peers.entries()) {
      const driven = await drive(portOf(peer), plainDialect(digitBytes()), 1, 1);
      other[at]?.push(p50(driven.latencies));
    }
  }
  await stopAll([ours, ...peers]);
  const bareMs = median(bare);
  const peerMs = Math.min(...other.map(median));
  return { bareMs, oursAddedMs: median(own) - bareMs, peerAddedMs: peerMs - bareMs };
}

/** Like the peer's threads: one instance, whose batches are larger, or one a core. */
const instanceCounts = [1, 2] as const;

function startOurs(nats: string, model: BenchModel, instances: number): Promise<Started> {
  return startInfaas('up', ['--zoo', '--nats', nats, '--port', '0'], {
    worker: { preload: { [model.variant]: instances } },
  });
}

/** Queries a second at 64 in flight, ours and the peer's, each the better of its two settings. */
export async function measureThroughput(
  model: BenchModel,
  rounds: number,
): Promise<{ readonly ours: number; readonly peer: number }> {
  const ours = await Promise.all(
    instanceCounts.map((instances) => startOurs('embedded', model, instances)),
  );
  const peers = await startWsPeers(model);
  const own: number[][] = ours.map(() => []);
  const other: number[][] = peers.map(() => []);
  for (const one of ours) await warmUp(wsOf(one), digitDialect(model), 64);
  for (const peer of peers) await warmUp(portOf(peer), plainDialect(digitBytes()), 64);
  for (let round = 0; round < rounds; round += 1) {
    for (const [at, one] of ours.entries()) {
      own[at]?.push((await drive(wsOf(one), digitDialect(model), 64, 2)).perSecond);
    }
    for (const [at, peer] of peers.entries()) {
      other[at]?.push((await drive(portOf(peer), plainDialect(digitBytes()), 64, 2)).perSecond);
    }
  }
  await stopAll([...ours, ...peers]);
  return { ours: Math.max(...own.map(median)), peer: Math.max(...other.map(median)) };
}

export interface OverNats {
  /** A query over WebSocket with a separate worker, beyond the bare run, in bare round trips. */
  readonly roundTrips: number;
  readonly roundTripMs: number;
  readonly addedMs: number;
}

/** Gateway and worker as separate processes on a nats-server. */
export async function measureOverNats(rounds: number): Promise<OverNats> {
  const server = await startNatsServer({ log: silentLogger });
  const nats = ['--nats', server.url];
  const controller = await startInfaas('controller', [...nats, '--zoo', '--port', '0']);
  const worker = await startInfaas('worker', nats, {
    worker: { preload: { [smallModel.variant]: 1 } },
  });
  const responder = await startPeer('nats-responder', [server.url]);
  const url = wsOf(controller);
  const own: number[] = [];
  const bare: number[] = [];
  const trips: number[] = [];
  await warmUp(url, digitDialect(smallModel), 4);
  await natsRoundTripMs(server.url, digitBytes(), 4_000);
  for (let round = 0; round < rounds; round += 1) {
    trips.push(await natsRoundTripMs(server.url, digitBytes(), 2_000));
    bare.push(await bareRunMs(smallModel));
    own.push(p50((await drive(url, digitDialect(smallModel), 1, 1)).latencies));
  }
  await stopAll([responder, controller, worker]);
  await server.stop();
  const roundTripMs = median(trips);
  const addedMs = median(own) - median(bare);
  return { roundTrips: addedMs / roundTripMs, roundTripMs, addedMs };
}

/**
 * 64 in flight over NATS: our service endpoint against a moleculer action, each the better of its
 * two settings. Ours share a subject, so each has a server of its own.
 */
export async function measureAgainstMoleculer(
  model: BenchModel,
  rounds: number,
): Promise<{ readonly ours: number; readonly peer: number }> {
  const server = await startNatsServer({ log: silentLogger });
  const servers = [server, await startNatsServer({ log: silentLogger })];
  const ours = await Promise.all(
    servers.map(({ url }, at) => startOurs(url, model, instanceCounts[at] ?? 1)),
  );
  const own: number[][] = [[], []];
  const other: number[][] = [[], []];
  const peers: Started[] = [];
  const callers: MoleculerCaller[] = [];
  for (const threads of ['default', '1']) {
    const peer = await startPeer('moleculer-service', [
      ...['--nats', server.url, '--name', `infer-${threads}`],
      ...peerArguments(model, threads),
    ]);
    peers.push(peer);
    callers.push(await createMoleculerCaller(server.url, `infer-${threads}`));
  }
  const dialect = digitDialect(model);
  for (const { url } of servers) await driveNats(url, dialect, 64, warmUpSeconds);
  for (const caller of callers) await driveCaller(caller, 64, warmUpSeconds);
  for (let round = 0; round < rounds; round += 1) {
    for (const [at, { url }] of servers.entries()) {
      own[at]?.push(await driveNats(url, dialect, 64, 2));
    }
    for (const [at, caller] of callers.entries()) {
      other[at]?.push(await driveCaller(caller, 64, 2));
    }
  }
  for (const caller of callers) await caller.close();
  await stopAll([...ours, ...peers]);
  for (const each of servers) await each.stop();
  return { ours: Math.max(...own.map(median)), peer: Math.max(...other.map(median)) };
}

/** Queries a second of a caller that takes bytes, after a warm-up of a fifth of the time. */
async function driveCaller(
  caller: MoleculerCaller,
  inFlight: number,
  seconds: number,
): Promise<number> {
  const data = digitBytes();
  const startMs = performance.now();
  const measureFrom = startMs + seconds * 200;
  const until = startMs + seconds * 1_200;
  let counted = 0;
  const worker = async (): Promise<void> => {
    while (performance.now() < until) {
      await caller.infer(data);
      if (performance.now() >= measureFrom) counted += 1;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
  return counted / seconds;
}

/** p99 of pings, one a millisecond, while every core is busy with a heavy model. */
export async function measurePings(
  rounds: number,
): Promise<{ readonly oursMs: number; readonly peerMs: number }> {
  const ours = await startInfaas('up', ['--zoo', '--nats', 'embedded', '--port', '0'], {
    worker: { preload: { [heavyModel.variant]: 2 } },
  });
  const peers = await startWsPeers(heavyModel);
  const own: number[] = [];
  const other: number[][] = peers.map(() => []);
  await drive(wsOf(ours), digitDialect(heavyModel), 2, 1);
  const pinged = async (url: string, dialect: Dialect): Promise<number> => {
    const load = drive(url, dialect, 16, 5);
    const [p99] = await Promise.all([runPinger(url, 3), load]);
    return p99;
  };
  for (let round = 0; round < rounds; round += 1) {
    own.push(await pinged(wsOf(ours), digitDialect(heavyModel)));
    for (const [at, peer] of peers.entries()) {
      other[at]?.push(await pinged(portOf(peer), plainDialect(digitBytes())));
    }
  }
  await stopAll([ours, ...peers]);
  return { oursMs: median(own), peerMs: Math.min(...other.map(median)) };
}

/** PSS of the process tree with one instance of each architecture loaded and used, bytes. */
export async function measureMemory(variants: readonly string[]): Promise<number> {
  const preload = Object.fromEntries(variants.map((variant) => [variant, 1]));
  const ours = await startInfaas('up', ['--zoo', '--nats', 'embedded', '--port', '0'], {
    worker: { preload },
  });
  const http = String(ours.ready['httpUrl']);
  for (let tries = 0; tries < 100; tries += 1) {
    const listed = (await (await fetch(`${http}/v1/instances`)).json()) as {
      instances: readonly { state: string }[];
    };
    const active = listed.instances.filter(({ state }) => state === 'active').length;
    if (active >= variants.length) break;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  await drive(wsOf(ours), digitDialect(smallModel), 8, 1);
  const bytes = treePssBytes(ours.pid);
  await ours.stop();
  return bytes;
}
