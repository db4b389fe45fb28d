/** The root of a worker node: joins, loads what it is told, serves what it is sent. */

import { randomBytes } from 'node:crypto';

import { openMembership } from './membership.ts';
import { createNode } from './node.ts';
import { openOrClose } from './parts/opened.ts';
import { addWorker, sliceOf, type WorkerSlice } from './parts/worker-part.ts';
import { configOf, defaultLogLevel, type RootSettings, type RunningNode } from './parts/root.ts';

export interface WorkerSettings extends RootSettings, WorkerSlice {
  readonly nats: string;
  readonly name?: string | undefined;
}

export async function startWorker(settings: WorkerSettings): Promise<RunningNode> {
  const name = settings.name ?? `worker-${randomBytes(3).toString('hex')}`;
  const config = configOf(settings);
  const slice = sliceOf(settings, config.worker.baseMemoryBytes);
  const node = await createNode({
    ...{ name, kind: 'worker' as const, config },
    logLevel: settings.logLevel ?? defaultLogLevel,
    natsUrl: settings.nats,
  });
  return openOrClose(async (opened) => {
    const membership = openMembership(node);
    const { engine, hardware, drain } = addWorker(node, membership, slice);
    opened.push(() => engine.shutdown());
    opened.push(() => node.close());
    await membership.join();
    opened.push(() => {
      node.closing = true;
      return drain();
    });
    const units = hardware.map((kind) => `${String(kind.units)} ${kind.kind} units`).join(', ');
    return {
      describe: () => `worker ${name} (${units}) on ${settings.nats}`,
      facts: { name, natsUrl: settings.nats },
      failed: node.failed,
      close: opened.close,
    };
  });
}
