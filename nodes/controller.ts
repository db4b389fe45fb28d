/** The root of the controller's node, which holds a gateway too. */

import { controllerNode, findNameFree, openMembership } from './membership.ts';
import { loadManifest, zooManifests } from './load-manifests.ts';
import { createNode } from './node.ts';
import { addController, type ControllerPart, registerModels } from './parts/controller-part.ts';
import { addDispatcher, heardOf, openGateways } from './parts/gateway-part.ts';
import { addFleet } from './parts/fleet-part.ts';
import { addOffline, type Closable } from './parts/offline-part.ts';
import { openOrClose } from './parts/opened.ts';
import { configOf, defaultLogLevel, type ListenSettings, type RunningNode } from './parts/root.ts';

export interface ControllerSettings extends ListenSettings {
  readonly nats: string;
  readonly zoo: boolean;
  /** Manifests to register at start. */
  readonly models: readonly string[];
  readonly dataDir: string;
}

export async function startController(settings: ControllerSettings): Promise<RunningNode> {
  const config = configOf(settings);
  const variants = [...(settings.zoo ? zooManifests() : []), ...settings.models].map(loadManifest);
  const node = await createNode({
    name: controllerNode,
    kind: 'controller',
    config,
    logLevel: settings.logLevel ?? defaultLogLevel,
    natsUrl: settings.nats,
  });
  return openOrClose(async (opened) => {
    const parts: { controller?: ControllerPart; offline?: Closable } = {};
    opened.push(async () => {
      await node.close();
      // The actors have written their last by now.
      await parts.offline?.close();
      await parts.controller?.close();
    });
    const membership = openMembership(node);
    await findNameFree(node);
    const controller = await addController(node, settings.dataDir);
    parts.controller = controller;
    const planner = addFleet(node, settings.nats);
    opened.push(() => planner?.close() ?? Promise.resolve());
    const dispatcher = addDispatcher(node, membership);
    parts.offline = await addOffline(node, controller, dispatcher);
    const count = await registerModels(node, controller, variants);
    await heardOf(node, dispatcher, count);
    const gateway = await openGateways(node, dispatcher, settings);
    opened.push(() => gateway.close());
    return {
      describe: () =>
        `controller with ${String(count)} variants given, ` +
        `gateway at ${gateway.url}, on ${settings.nats}`,
      facts: {
        name: controllerNode,
        url: gateway.url,
        httpUrl: gateway.httpUrl,
        natsUrl: settings.nats,
      },
      failed: node.failed,
      close: opened.close,
    };
  });
}
