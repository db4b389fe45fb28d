/** The root of a gateway node: gateways and one dispatcher, sharing nothing with others. */

import { randomBytes } from 'node:crypto';

import { joinSystem } from './membership.ts';
import { createNode } from './node.ts';
import { addGateway } from './parts/gateway-part.ts';
import { configOf, defaultLogLevel, type ListenSettings, type RunningNode } from './parts/root.ts';

export interface GatewaySettings extends ListenSettings {
  readonly nats: string;
  readonly name?: string | undefined;
}

export async function startGateway(settings: GatewaySettings): Promise<RunningNode> {
  const name = settings.name ?? `gateway-${randomBytes(3).toString('hex')}`;
  const node = await createNode({
    name,
    kind: 'gateway',
    config: configOf(settings),
    logLevel: settings.logLevel ?? defaultLogLevel,
    natsUrl: settings.nats,
  });
  const gateway = await addGateway(node, settings);
  await joinSystem({
    node,
    attachments: () => [{ type: 'controller.attach-dispatcher', dispatcher: gateway.dispatcher }],
  });
  return {
    describe: () => `gateway ${name} at ${gateway.url} on ${settings.nats}`,
    facts: { name, url: gateway.url, httpUrl: gateway.httpUrl, natsUrl: settings.nats },
    failed: node.failed,
    close: async () => {
      await gateway.close();
      await node.close();
    },
  };
}
