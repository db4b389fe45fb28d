/** What a case of the bus suite works with: a harness around one bus, and a few ways to listen. */

import type { Bus } from '../../runtime/bus.ts';

/** One bus under test. */
export interface BusHarness {
  /** A connection of its own, as another process would have. */
  open(): Promise<Bus>;
  /** Cuts all connections; resolves when the buses have noticed. */
  cut(): Promise<void>;
  /** Makes the connections possible again; resolves when the buses are connected. */
  restore(): Promise<void>;
  /** How long something that must happen may take, in milliseconds. */
  readonly patienceMs: number;
  close(): Promise<void>;
}

export interface BusCase {
  readonly name: string;
  run(harness: BusHarness): Promise<void>;
}

/** Polls until the condition holds; fails naming what did not happen. */
export async function eventually(
  what: string,
  condition: () => boolean,
  patienceMs: number,
): Promise<void> {
  const giveUpAt = performance.now() + patienceMs;
  while (!condition()) {
    if (performance.now() > giveUpAt) throw new Error(`did not happen: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

export const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);

/** What a subscription heard: of each message its first bytes. */
export function record(bus: Bus, subject: string): number[][] {
  const heard: number[][] = [];
  bus.subscribe(subject, ({ payload }) => heard.push([...payload.subarray(0, 8)]));
  return heard;
}

/**
 * Waits until what `publisher` publishes on `subject` reaches a recording: subscriptions settle.
 */
export async function settled(
  harness: BusHarness,
  publisher: Bus,
  subject: string,
  heard: number[][],
): Promise<void> {
  const giveUpAt = performance.now() + harness.patienceMs;
  while (heard.length === 0) {
    if (performance.now() > giveUpAt) throw new Error('nothing arrives at all');
    publisher.publish(subject, bytes(255));
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  const fence = Math.floor(Math.random() * 256);
  publisher.publish(subject, bytes(254, fence));
  const isFence = (one: number[]): boolean => one[0] === 254 && one[1] === fence;
  await eventually('the fence arrives', () => heard.some(isFence), harness.patienceMs);
  heard.length = 0;
}
