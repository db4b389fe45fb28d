/**
 * Untrusted bytes to an untrusted value: msgpack or JSON, bounded before anything is built of them.
 *
 * JSON.parse recurses as deep as it is told and blocks while it works, so depth and values are
 * counted first, in one pass over the bytes (structure is ASCII, and UTF-8 has no ASCII within
 * other characters). Keys such as `__proto__` do no harm here: JSON.parse makes own properties of
 * them, and the parsers refuse every key that they don't know.
 */

import { type QueryError, queryError } from '../../actors/domain/outcome.ts';
import { FrameRejected, messageOf } from '../../runtime/errors.ts';
import { decode } from '../../runtime/wire/codec.ts';
import type { GatewayConfig } from './config.ts';

export type Encoding = 'msgpack' | 'json';

export type JsonObject = Readonly<Record<string, unknown>>;

export type DecodedRequest =
  | { readonly ok: true; readonly value: JsonObject }
  | { readonly ok: false; readonly error: QueryError };

export type DecodeLimits = Pick<
  GatewayConfig,
  'payloadBytesMax' | 'jsonBytesMax' | 'depthMax' | 'valuesMax'
>;

/** One request as an object whose fields nobody has looked at yet. */
export function decodeRequest(
  bytes: Uint8Array,
  encoding: Encoding,
  limits: DecodeLimits,
): DecodedRequest {
  if (bytes.length > limits.payloadBytesMax) {
    return refuse('too_large', payloadTooLarge(bytes.length, limits.payloadBytesMax));
  }
  const decoded = encoding === 'msgpack' ? decodeFrame(bytes, limits) : decodeJson(bytes, limits);
  if ('error' in decoded) return { ok: false, error: decoded.error };
  const { value } = decoded;
  if (!isObject(value)) {
    return refuse('bad_input', `a request must be one object, not ${kindOf(value)}`);
  }
  return { ok: true, value };
}

/** Said alike by every gateway. */
export function payloadTooLarge(bytes: number, bytesMax: number): string {
  return `a request of ${bytes} bytes is over the limit of ${bytesMax} (payloadBytesMax)`;
}

/** An object with string keys: neither an array nor bytes. */
export function isObject(value: unknown): value is JsonObject {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof Uint8Array)
  );
}

type Decoded = { readonly value: unknown } | { readonly error: QueryError };

function refuse(code: 'bad_input' | 'too_large', message: string): DecodedRequest {
  return { ok: false, error: queryError(code, message) };
}

function decodeFrame(bytes: Uint8Array, limits: DecodeLimits): Decoded {
  try {
    return { value: decode(bytes, limits) };
  } catch (error) {
    if (!(error instanceof FrameRejected)) throw error;
    const tooMany = error.message.includes(`more than ${limits.valuesMax} values`);
    return {
      error: tooMany
        ? queryError('too_large', `${error.message}; send tensors as bytes`)
        : queryError('bad_input', error.message),
    };
  }
}

function decodeJson(bytes: Uint8Array, limits: DecodeLimits): Decoded {
  if (bytes.length > limits.jsonBytesMax) {
    const message =
      `JSON of ${bytes.length} bytes is over the limit of ${limits.jsonBytesMax} ` +
      '(jsonBytesMax); send larger queries as msgpack';
    return { error: queryError('too_large', message) };
  }
  const unfit = inspectJson(bytes, limits);
  if (unfit !== undefined) return { error: unfit };
  try {
    return { value: JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) };
  } catch (error) {
    return { error: queryError('bad_input', `malformed JSON: ${messageOf(error)}`) };
  }
}

const quote = 0x22;
const backslash = 0x5c;

/** Depth and number of values, without building anything. Malformed text is left to JSON.parse. */
export function inspectJson(
  bytes: Uint8Array,
  limits: Pick<DecodeLimits, 'depthMax' | 'valuesMax'>,
): QueryError | undefined {
  let depth = 0;
  let values = 1;
  for (let at = 0; at < bytes.length; at += 1) {
    switch (bytes[at]) {
      case quote:
        at = endOfString(bytes, at);
        break;
      case 0x7b: // {
      case 0x5b: // [
        depth += 1;
        values += 1;
        if (depth > limits.depthMax) {
          const message = `JSON nested deeper than ${limits.depthMax} (at byte ${at})`;
          return queryError('bad_input', message);
        }
        break;
      case 0x7d: // }
      case 0x5d: // ]
        depth -= 1;
        break;
      case 0x2c: // ,
      case 0x3a: // :
        values += 1;
        break;
      default:
    }
  }
  return values > limits.valuesMax
    ? queryError(
        'too_large',
        `JSON of more than ${limits.valuesMax} values; send tensors as bytes in msgpack`,
      )
    : undefined;
}

/** The position of the closing quote, or the end. */
function endOfString(bytes: Uint8Array, start: number): number {
  let at = start + 1;
  while (at < bytes.length && bytes[at] !== quote) at += bytes[at] === backslash ? 2 : 1;
  return at;
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  if (value instanceof Uint8Array) return 'bytes';
  return `a ${typeof value}`;
}
