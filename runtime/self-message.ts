/**
 * What an actor asked to be told: a timer that fired, or a `Terminated` of somebody it watches.
 *
 * It waits in the mailbox like any other message, but can still be called off: after `cancel`,
 * `unwatch` or a restart it must not arrive although it is already queued (the guarantee of Pekko's
 * typed timers). A called-off one stays in the mailbox as a husk that its turn skips.
 */

export type SelfMessageKind = 'timer' | 'notice';

export class SelfMessage {
  /** False once called off. */
  live = true;
  readonly kind: SelfMessageKind;
  /** The timer's key, or the key of the watch. */
  readonly key: string;
  readonly message: unknown;
  /** Set when making the message threw: its turn fails with this, and the policy decides. */
  readonly failure: { readonly error: unknown } | undefined;

  constructor(
    kind: SelfMessageKind,
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

/** Makes the message; what `make` throws becomes the failure of the turn that would handle it. */
export function makeSelfMessage(
  kind: SelfMessageKind,
  key: string,
  make: () => unknown,
): SelfMessage {
  try {
    return new SelfMessage(kind, key, make(), undefined);
  } catch (error) {
    return new SelfMessage(kind, key, undefined, { error });
  }
}

/** The self messages that wait in one actor's mailbox. */
export class SelfMessages {
  readonly #queued = new Set<SelfMessage>();

  add(queued: SelfMessage): void {
    this.#queued.add(queued);
  }

  remove(queued: SelfMessage): void {
    this.#queued.delete(queued);
  }

  callOff(kind: SelfMessageKind, key: string): void {
    for (const queued of this.#queued) {
      if (queued.kind === kind && queued.key === key) queued.live = false;
    }
  }

  callOffAll(): void {
    for (const queued of this.#queued) queued.live = false;
  }
}
