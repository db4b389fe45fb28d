/**
 * Keys of records as keys of a NATS KV bucket, which are subjects: `.` parts their tokens, and a
 * token is made of letters, digits, `-`, `_`, `=` and `/`. So our `/` becomes `.`, and every other
 * character becomes `=XX`, one for each byte of its UTF-8.
 */

const plain = /^[A-Za-z0-9_-]$/;

/** No key of a record becomes this: `=` is always followed by hexadecimal digits there. */
export const storeFactsKey = '=store';

export function toKvKey(key: string): string {
  let mapped = '';
  for (const character of key) {
    if (character === '/') mapped += '.';
    else if (plain.test(character)) mapped += character;
    else for (const byte of Buffer.from(character)) mapped += `=${hex(byte)}`;
  }
  return mapped;
}

/** Undefined for a key that is none of ours. */
export function fromKvKey(mapped: string): string | undefined {
  const bytes: number[] = [];
  for (let at = 0; at < mapped.length; at += 1) {
    const character = mapped.charAt(at);
    if (character === '=') {
      const digits = mapped.slice(at + 1, at + 3);
      if (!/^[0-9A-F]{2}$/.test(digits)) return undefined;
      bytes.push(Number.parseInt(digits, 16));
      at += 2;
    } else bytes.push(character === '.' ? 0x2f : character.charCodeAt(0));
  }
  return Buffer.from(bytes).toString();
}

/** The narrowest subject filter that lets through every key beginning with `prefix`. */
export function kvFilter(prefix: string): string {
  const whole = prefix.slice(0, prefix.lastIndexOf('/') + 1);
  return whole === '' ? '>' : `${toKvKey(whole)}>`;
}

function hex(byte: number): string {
  return byte.toString(16).toUpperCase().padStart(2, '0');
}
