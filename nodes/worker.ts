/** The root of a worker node: joins, loads what it is told, serves what it is sent. */

import { randomBytes } from 'node:crypto';

import { openMembership } from './membership.ts';
import { createNode } from './node.ts';
import { addWorker, type WorkerSlice } from './parts/worker-part.ts';
import { configOf, defaultLogLevel, type RootSettings, type RunningNode } from './parts/root.ts';

export interface WorkerSettings extends RootSettings, WorkerSlice {
  readonly nats: string;
  readonly name?: string | undefined;
}

export async function startWorker(settings: WorkerSettings): Promise<RunningNode> {
  const name = settings.name ?? `worker-${randomBytes(3).toString('hex')}`;
  const node = await createNode({
    name,
    kind: 'worker',
    config: configOf(settings),
    logLevel: settings.logLevel ?? defaultLogLevel,
    natsUrl: settings.nats,
  });
  const membership = openMembership(node);
  const { engine, hardware, drain } = addWorker(node, membership, settings);
  await membership.join();
  const units = hardware.map((kind) => `${String(kind.units)} ${kind.kind} units`).join(', ');
  return {
    describe: () => `worker ${name} (${units}) on ${settings.nats}`,
    facts: { name, natsUrl: settings.nats },
    failed: node.failed,
    close: async () => {
      node.closing = true;
      await drain();
      await node.close();
      await engine.shutdown();
    },
  };
}
