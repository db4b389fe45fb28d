/** The end of a family, or of one of its variants: recorded first, then told. */

import type { Family } from '../domain/family.ts';
import { type QueryError, queryError } from '../domain/outcome.ts';
import type { UnregisterFamily } from './protocol.ts';
import {
  awaitStore,
  collectLater,
  type Context,
  objectionToAsker,
  objectionToBegin,
  refuse,
  type Registering,
  type Removing,
  store,
} from './registering.ts';

export function unregister(
  registering: Registering,
  request: UnregisterFamily,
  ctx: Context,
): void {
  const { options, registry, removing, outside } = registering;
  const { architecture, variant } = request;
  const family = registry.family(architecture);
  const error =
    objectionToAsker(request) ??
    objectionToRemoval(family, request) ??
    objectionToBegin(registering, architecture);
  if (family === undefined || error !== undefined) {
    if (error !== undefined) refuse(request, error, ctx);
    return;
  }
  const gone = family.variants.filter(({ id }) => variant === undefined || id === variant);
  const left = family.variants.filter((one) => !gone.includes(one));
  outside.named += 1;
  const requestId = `removal-${outside.named}`;
  // The same source again would have to make it anew.
  const rest = left.length === 0 ? undefined : { ...family, complete: false, variants: left };
  removing.set(requestId, { request, left: rest, variants: gone.map(({ id }) => id) });
  if (rest !== undefined) {
    store(options, rest, requestId, ctx);
    return;
  }
  const replyTo = ctx.self;
  const type = 'controller.remove-family';
  ctx.tell(options.controller, { type, architecture, requestId, replyTo });
  awaitStore(options, requestId, ctx);
}

function objectionToRemoval(
  family: Family | undefined,
  { architecture, variant }: UnregisterFamily,
): QueryError | undefined {
  if (family === undefined) {
    const message =
      `there is no architecture "${architecture}"; ` + '`infaas architectures` lists all';
    return queryError('unknown_architecture', message, { architecture });
  }
  if (variant === undefined || family.variants.some(({ id }) => id === variant)) return undefined;
  const known = family.variants.map(({ id }) => id).join(', ');
  const message = `architecture "${architecture}" has no variant "${variant}"; it has ${known}`;
  return queryError('unknown_variant', message, { variant });
}

export function endRemoving(
  { removing, registry, options }: Registering,
  requestId: string,
  { request, left, variants }: Removing,
  error: QueryError | undefined,
  ctx: Context,
): void {
  removing.delete(requestId);
  if (error !== undefined) {
    refuse(request, error, ctx);
    return;
  }
  const { architecture } = request;
  if (left === undefined) registry.remove(architecture);
  else registry.set(left);
  ctx.log.info('unregistered', { architecture, variants: variants.length });
  collectLater(options, ctx);
  ctx.tell(request.replyTo, {
    type: 'gateway.family-unregistered',
    requestId: request.requestId,
    report: { architecture, variants },
  });
}
