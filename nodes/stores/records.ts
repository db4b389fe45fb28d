/**
 * What both metadata stores do alike: check keys, turn values to bytes and back, judge a write,
 * tell a watcher.
 */

import { messageOf, StoreFailed } from '../../runtime/errors.ts';
import { decode, encode } from '../../runtime/wire/codec.ts';
import type { Logger } from '../../runtime/log.ts';
import type { Expected, StoreChange, StoredRecord } from './metadata-store.ts';

const keyBytesMax = 512;
const controlCharacter = /\p{Cc}/u;

/** Throws StoreFailed where a key is none; `address` is the store's. */
export function checkKey(key: string, address: string): void {
  const why = wrongWith(key);
  if (why === undefined) return;
  throw new StoreFailed(
    `${JSON.stringify(key.slice(0, 80))} is no key of a store: ${why}`,
    address,
  );
}

function wrongWith(key: string): string | undefined {
  if (Buffer.byteLength(key) > keyBytesMax) return `more than ${String(keyBytesMax)} bytes`;
  if (controlCharacter.test(key)) return 'it holds a control character';
  if (Buffer.from(key).toString() !== key) return 'it is no well-formed text';
  if (key.split('/').includes('')) return 'a part between "/" is empty';
  return undefined;
}

/** The bytes of a record; throws StoreFailed when there are more than `bytesMax`. */
export function encodeValue(key: string, value: unknown, bytesMax: number, address: string) {
  const bytes = encode(value);
  if (bytes.length <= bytesMax) return bytes;
  throw new StoreFailed(
    `the record "${key}" has ${String(bytes.length)} bytes, the store takes ` +
      `${String(bytesMax)}; make it smaller, or raise store.recordBytesMax (and max_payload of ` +
      'a NATS server)',
    address,
  );
}

export function decodeValue(key: string, bytes: Uint8Array, address: string): unknown {
  try {
    return decode(bytes);
  } catch (error) {
    throw new StoreFailed(
      `the record "${key}" in ${address} is unreadable: ${messageOf(error)}`,
      address,
      error,
    );
  }
}

/** Whether a write finds what it expects. */
export function meets(expected: Expected, revision: number | undefined): boolean {
  if (expected === 'any') return true;
  return expected === 'absent' ? revision === undefined : revision === expected;
}

/** In the order of `list`: that of the keys' UTF-8 bytes. */
export function sortedByKey(records: readonly StoredRecord[]): StoredRecord[] {
  return records
    .map((record) => ({ record, bytes: Buffer.from(record.key) }))
    .sort((a, b) => Buffer.compare(a.bytes, b.bytes))
    .map(({ record }) => record);
}

/** A watcher's fault is its own: it costs neither the writer nor other watchers. */
export function tell(
  listener: (change: StoreChange) => void,
  change: StoreChange,
  log: Logger,
): void {
  try {
    listener(change);
  } catch (error) {
    log.error('a watcher of the store threw', { change: change.kind, error: messageOf(error) });
  }
}
