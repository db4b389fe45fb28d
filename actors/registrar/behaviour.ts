/**
 * The registrar: accepts models, checks that they fit their task, and hands them to the controller.
 * A refused model is a reply; nothing of it is recorded.
 */

import type { ActorContext, ActorSpec, Ref } from '../../runtime/actor.ts';
import { assertNever } from '../../runtime/assert.ts';
import { restartPolicy } from '../../runtime/supervision.ts';
import type { ControllerMessage } from '../controller/protocol.ts';
import type { Variant, VariantId } from '../domain/variant.ts';
import { objectionTo } from './check-variant.ts';
import type { RegistrarMessage } from './protocol.ts';

export interface RegistrarOptions {
  readonly controller: Ref<ControllerMessage>;
  readonly mailboxMax: number;
}

interface Registering {
  readonly options: RegistrarOptions;
  readonly known: Map<VariantId, Variant>;
}

export function registrarSpec(options: RegistrarOptions): ActorSpec<Registering, RegistrarMessage> {
  return {
    start: (ctx) => {
      ctx.tell(options.controller, { type: 'controller.attach-registrar', registrar: ctx.self });
      return { options, known: new Map() };
    },
    behaviour: registrarBehaviour,
    supervision: restartPolicy,
    mailboxMax: options.mailboxMax,
  };
}

function registrarBehaviour(
  registering: Registering,
  message: RegistrarMessage,
  ctx: ActorContext<RegistrarMessage>,
): Registering {
  switch (message.type) {
    case 'registrar.register-model':
      register(registering, message, ctx);
      return registering;
    case 'registrar.registry-changed':
      registering.known.clear();
      for (const variant of message.variants) registering.known.set(variant.id, variant);
      return registering;
    default:
      return assertNever(message);
  }
}

function register(
  registering: Registering,
  message: Extract<RegistrarMessage, { type: 'registrar.register-model' }>,
  ctx: ActorContext<RegistrarMessage>,
): void {
  const { variant, replyTo } = message;
  const error = objectionTo(variant, registering.known.values());
  if (error !== undefined) {
    ctx.tell(replyTo, { type: 'registrar.model-refused', variantId: variant.id, error });
    return;
  }
  const known = registering.known.get(variant.id);
  const changed = known === undefined || JSON.stringify(known) !== JSON.stringify(variant);
  if (changed) {
    registering.known.set(variant.id, variant);
    ctx.tell(registering.options.controller, { type: 'controller.record-variant', variant });
  }
  ctx.tell(replyTo, { type: 'registrar.model-registered', variantId: variant.id, changed });
}
