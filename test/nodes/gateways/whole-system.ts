/**
 * A whole system as the backend of gateways under test: the controller, a worker with real engine
 * hosts, the bundled digit classifiers, and the dispatcher that gateways in production stand
 * before.
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { GatewayMessage } from '../../../actors/dispatcher/protocol.ts';
import { localPrincipal } from '../../../actors/domain/principal.ts';
import { configSchema } from '../../../nodes/config.ts';
import { loadManifest, zooManifests } from '../../../nodes/load-manifests.ts';
import { createNode } from '../../../nodes/node.ts';
import { controllerNode, openMembership } from '../../../nodes/membership.ts';
import { addDispatcher } from '../../../nodes/parts/gateway-part.ts';
import { addController, registerModels } from '../../../nodes/parts/controller-part.ts';
import { addWorker, sliceOf } from '../../../nodes/parts/worker-part.ts';
import type { Backend } from './start-gateways.ts';

export interface WholeSystem extends Backend {
  /** Ends what outlives the host: engine hosts and the store. */
  close(): Promise<void>;
}

/** Resolves when a worker has joined and its first variant is loaded. */
export async function startWholeSystem(): Promise<WholeSystem> {
  const folder = mkdtempSync(join(tmpdir(), 'infaas-gateways-'));
  const config = configSchema.parse({ worker: { preload: { 'linear-fp32': 1 } } });
  const node = await createNode({
    ...{ name: controllerNode, kind: 'controller' as const, config },
    ...{ logLevel: 'silent' as const, natsUrl: undefined },
  });
  const { host } = node;
  const membership = openMembership(node);
  const control = await addController(node, folder);
  const { engine } = addWorker(node, membership, sliceOf({}));
  const { dispatcher, records } = addDispatcher(node, membership);
  const digits = zooManifests().filter((path) => path.includes('digit-classification'));
  await registerModels(node, control, digits.map(loadManifest));
  await new Promise<void>((resolve) => {
    const ask = (): void => {
      host.tell(dispatcher, {
        ...{ type: 'dispatcher.describe-fleet', requestId: 'ready', principal: localPrincipal },
        replyTo,
      });
    };
    const replyTo = host.port<GatewayMessage>('awaits-instance', (message) => {
      if (message.type !== 'gateway.fleet-described') return;
      const { outcome } = message;
      const instances = 'code' in outcome ? [] : outcome.instances;
      if (instances.some(({ state }) => state === 'active')) resolve();
      else node.clock.schedule(20, ask);
    });
    ask();
  });
  return {
    host,
    dispatcher,
    records,
    close: async () => {
      await node.close();
      await engine.shutdown();
      await control.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
