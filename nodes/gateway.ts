/** The root of a gateway node: gateways and one dispatcher, sharing nothing with others. */

import { randomBytes } from 'node:crypto';

import { openMembership } from './membership.ts';
import { createNode } from './node.ts';
import { addDispatcher, openGateways } from './parts/gateway-part.ts';
import { openOrClose } from './parts/opened.ts';
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
  return openOrClose(async (opened) => {
    opened.push(() => node.close());
    const membership = openMembership(node);
    const dispatcher = addDispatcher(node, membership);
    await membership.join();
    const gateway = await openGateways(node, dispatcher, settings);
    opened.push(() => gateway.close());
    return {
      describe: () => `gateway ${name} at ${gateway.url} on ${settings.nats}`,
      facts: { name, url: gateway.url, httpUrl: gateway.httpUrl, natsUrl: settings.nats },
      failed: node.failed,
      close: opened.close,
    };
  });
}
