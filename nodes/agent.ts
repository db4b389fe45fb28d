/** The root of an agent node: spawns workers on its machine when the fleet-autoscaler asks. */

import { randomBytes } from 'node:crypto';
import { availableParallelism } from 'node:os';

import { startAgent } from './adapters/provisioners/agent.ts';
import { fleetRef, openMembership } from './membership.ts';
import { createNode } from './node.ts';
import { openOrClose } from './parts/opened.ts';
import { configOf, defaultLogLevel, type RootSettings, type RunningNode } from './parts/root.ts';
import { parseCores, sliceOf, type WorkerSlice } from './parts/worker-part.ts';

export interface AgentSettings extends RootSettings, WorkerSlice {
  readonly nats: string;
  readonly name?: string | undefined;
}

export async function startAgentNode(settings: AgentSettings): Promise<RunningNode> {
  const name = settings.name ?? `agent-${randomBytes(3).toString('hex')}`;
  const config = configOf(settings);
  const all = `0-${String(availableParallelism() - 1)}`;
  const { cores = parseCores(all) ?? [], memoryBytes } = sliceOf(
    settings,
    config.worker.baseMemoryBytes,
  );
  const logLevel = settings.logLevel ?? defaultLogLevel;
  const node = await createNode({
    ...{ name, kind: 'agent' as const, config, logLevel },
    natsUrl: settings.nats,
  });
  return openOrClose(async (opened) => {
    opened.push(() => node.close());
    await openMembership(node).join();
    const agent = startAgent({
      ...{ node, cores, memoryBytes, fleet: fleetRef },
      workers: {
        ...{ natsUrl: settings.nats, logLevel },
        ...{ configFile: settings.configFile, recordTo: settings.recordTo },
      },
    });
    opened.push(() => {
      node.closing = true;
      return agent.close();
    });
    const has = `${String(cores.length)} cores, ${String(Math.floor(memoryBytes / 2 ** 20))} MiB`;
    return {
      describe: () => `agent ${name} (${has}) on ${settings.nats}`,
      facts: { name, natsUrl: settings.nats },
      failed: node.failed,
      close: opened.close,
    };
  });
}
