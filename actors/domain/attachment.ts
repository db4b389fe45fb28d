/**
 * Attaching to the controller: whoever reads what it tells (the registry, who else is there) says
 * so, and again when it has been told nothing for long, for what was said or told once may be lost.
 */

import type { ActorContext, Ref } from '../../runtime/actor.ts';

/** How often readers are told what they should know already. */
export const defaultConfirmMs = 1_000;
/** Silence that is no accident. */
export const defaultForgottenMs = 3 * defaultConfirmMs;
const forgottenMaxMs = 60_000;

/** Of a reader; `A` is what the controller understands, `M` the reader itself. */
export interface Attachment<A, M> {
  readonly controller: Ref<A>;
  readonly message: A;
  /** 0 before its node has joined: it cannot be known yet, and joining attaches it. */
  readonly epoch: () => number;
  readonly forgottenMs: number | undefined;
  /** What it is told when it has heard nothing, so often one after the other. */
  readonly due: (silences: number) => M;
}

export function attach<A, M>(attachment: Attachment<A, M>, ctx: ActorContext<M>, silences = 0) {
  awaitWord(attachment, ctx, silences);
  if (attachment.epoch() > 0) ctx.tell(attachment.controller, attachment.message);
}

/**
 * From now on. Twice as long after each time that nothing came of it, and not for all readers at
 * once: each is sent the whole registry.
 */
export function awaitWord<A, M>(
  { forgottenMs = defaultForgottenMs, due }: Attachment<A, M>,
  ctx: ActorContext<M>,
  silences = 0,
): void {
  const waitMs = Math.min(forgottenMaxMs, forgottenMs * 2 ** silences);
  ctx.after(waitMs * (1 + 0.5 * ctx.random()), 'attach', due(silences + 1));
}
