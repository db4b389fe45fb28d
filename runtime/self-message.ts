/**
 * What an actor asked to be told: a timer that fired, or a `Terminated` of somebody it watches.
 *
 * It waits in the mailbox like any other message, but can still be called off: after `cancel`,
 * `unwatch` or a restart it must not arrive although it is already queued (the guarantee of Pekko's
 * typed timers). A called-off one stays in the mailbox as a husk that its turn skips.
 */

export class SelfMessage {
  /** False once called off. */
  live = true;
  readonly kind: 'timer' | 'notice';
  /** The timer's key, or the key of the watch. */
  readonly key: string;
  readonly message: unknown;
  /** Set when making the message threw: its turn throws this, so that the actor's policy decides. */
  readonly failure: { readonly error: unknown } | undefined;

  constructor(
    kind: 'timer' | 'notice',
    key: string,
    message: unknown,
    failure: { readonly error: unknown } | undefined,
  ) {
    this.kind = kind;
    this.key = key;
    this.message = message;
    this.failure = failure;
  }
}
