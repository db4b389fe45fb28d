/**
 * The bus port: subjects, bytes, at-most-once, in order between one publisher and one subscriber. A
 * publisher that subscribes hears itself (`beats.ts` relies on it).
 * Adapters: in-process and NATS (`nodes/adapters/`), modelled in `sim/`. One conformance suite:
 * `test/conformance/bus-suite.ts`.
 */

import type { DeadLetterReason } from './actor.ts';

export type BusStatus = 'connected' | 'disconnected' | 'closed';

/** Why a publish was not taken. While disconnected a bus refuses: it never loses silently. */
export type PublishRefusal = Extract<DeadLetterReason, 'bus-refused'>;

export interface BusMessage {
  readonly subject: string;
  /**
   * Stays valid, but is a view into a buffer that others may read too: not to be written to, and
   * never to be transferred to a thread.
   */
  readonly payload: Uint8Array;
}

export interface BusSubscription {
  unsubscribe(): void;
}

export interface Bus {
  readonly status: BusStatus;
  /** Largest payload of one publish in bytes; `remote.ts` chunks above it. */
  readonly payloadMax: number;
  /**
   * Publishes now or says why not. `onNoResponders` is called (later, at most once) when the bus
   * knows that nobody subscribes to the subject. Throws BusPayloadTooLarge above `payloadMax`.
   */
  publish(
    subject: string,
    payload: Uint8Array,
    onNoResponders?: () => void,
  ): PublishRefusal | undefined;
  subscribe(subject: string, handler: (message: BusMessage) => void): BusSubscription;
  onStatus(listener: (status: BusStatus) => void): void;
  /** Flushes and closes. */
  close(): Promise<void>;
}
