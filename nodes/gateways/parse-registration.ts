/**
 * Requests to the controller's node, as a client sent them: what changes what is registered, to the
 * registrar, and what is about offline jobs.
 */

import type { QueryError } from '../../actors/domain/outcome.ts';
import type { RegisterFamily, UnregisterFamily } from '../../actors/registrar/protocol.ts';
import type { WriteChunk } from '../../actors/registrar/uploads-port.ts';
import { parseManifest } from '../manifest-schema.ts';
import type { JsonObject } from './decode-request.ts';
import { nearestName } from '../../actors/domain/nearest-name.ts';
import {
  offlineFields,
  type OfflineOperation,
  offlineOperations,
  type OfflineRequest,
  parseOfflineJob,
} from './parse-offline-job.ts';
import { badField, badInput, Refused } from './refused.ts';

export const registrationOperations = [
  'upload',
  'register',
  'unregister',
  ...offlineOperations,
] as const;

export type RegistrationOperation = (typeof registrationOperations)[number];

export function isRegistrationOperation(op: unknown): op is RegistrationOperation {
  return (registrationOperations as readonly unknown[]).includes(op);
}

/** What a request says; who asks, and where the answer goes, is the desk's to add. */
export type RegistrationRequest =
  | Omit<WriteChunk, 'requestId' | 'principal' | 'replyTo'>
  | Omit<RegisterFamily, 'requestId' | 'principal' | 'replyTo'>
  | Omit<UnregisterFamily, 'requestId' | 'principal' | 'replyTo'>
  | OfflineRequest;

export type RegistrationParsed =
  | { readonly ok: true; readonly request: RegistrationRequest }
  | { readonly ok: false; readonly error: QueryError };

const fields: Readonly<Record<RegistrationOperation, readonly string[]>> = {
  upload: ['id', 'op', 'upload', 'file', 'offset', 'data'],
  register: ['id', 'op', 'upload', 'manifest', 'generate', 'profile'],
  unregister: ['id', 'op', 'architecture', 'variant'],
  ...offlineFields,
};

export function parseRegistration(
  op: RegistrationOperation,
  value: JsonObject,
): RegistrationParsed {
  try {
    for (const key of Object.keys(value)) if (!fields[op].includes(key)) throw unknown(op, key);
    const request = isOffline(op) ? parseOfflineJob(op, value) : parsers[op](value);
    return { ok: true, request };
  } catch (error) {
    if (error instanceof Refused) return { ok: false, error: error.error };
    throw error;
  }
}

function isOffline(op: RegistrationOperation): op is OfflineOperation {
  return (offlineOperations as readonly string[]).includes(op);
}

type FamilyOperation = Exclude<RegistrationOperation, OfflineOperation>;

const parsers: Readonly<Record<FamilyOperation, (value: JsonObject) => RegistrationRequest>> = {
  upload: (value) => ({
    type: 'uploads.write-chunk',
    uploadId: text(value, 'upload'),
    file: text(value, 'file'),
    offset: wholeNumber(value, 'offset'),
    data: bytes(value['data']),
  }),
  register: (value) => {
    const parsed = parseManifest(value['manifest']);
    if (!parsed.ok) throw badInput(parsed.field, `manifest: ${parsed.problem}`);
    const options = { generate: flag(value, 'generate'), profile: flag(value, 'profile') };
    const uploadId = text(value, 'upload');
    return { type: 'registrar.register-family', uploadId, manifest: parsed.manifest, options };
  },
  unregister: (value) => ({
    type: 'registrar.unregister-family',
    architecture: text(value, 'architecture'),
    variant: isAbsent(value['variant']) ? undefined : text(value, 'variant'),
  }),
};

function unknown(op: RegistrationOperation, key: string): Refused {
  const name = key.slice(0, 64);
  const nearest = nearestName(key, fields[op]);
  const meant =
    nearest === undefined ? `known: ${fields[op].join(', ')}` : `did you mean "${nearest}"?`;
  return badInput(name, `unknown field "${name}"; ${meant}`);
}

function isAbsent(value: unknown): value is undefined | null {
  return value === undefined || value === null;
}

const textLengthMax = 256;

function text(value: JsonObject, field: string): string {
  const given = value[field];
  const fits = typeof given === 'string' && given !== '' && given.length <= textLengthMax;
  if (fits) return given;
  throw badField(field, `a string of 1..${textLengthMax} characters`, given);
}

function wholeNumber(value: JsonObject, field: string): number {
  const given = value[field];
  if (isAbsent(given)) return 0;
  if (typeof given === 'number' && Number.isSafeInteger(given) && given >= 0) return given;
  throw badField(field, 'a whole number', given);
}

/** True unless it is said otherwise. */
function flag(value: JsonObject, field: string): boolean {
  const given = value[field];
  if (isAbsent(given)) return true;
  if (typeof given === 'boolean') return given;
  throw badField(field, 'true or false', given);
}

const base64Shape = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

function bytes(given: unknown): Uint8Array {
  if (given instanceof Uint8Array) return given;
  // JSON has no bytes.
  if (typeof given === 'string' && base64Shape.test(given)) return Buffer.from(given, 'base64');
  throw badField('data', 'bytes, or base64 in JSON', typeof given);
}
