/**
 * A query as a client sent it (decoded, not trusted) to a QueryRequest, or a typed error. Pure.
 *
 * Written by hand, since every query passes here: one look at each field, no copy of tensor bytes.
 * Only structure is checked; whether the inputs fit the task is the dispatcher's to know.
 */

import type { QuoteQuery } from '../../actors/dispatcher/protocol.ts';
import type { QueryError } from '../../actors/domain/outcome.ts';
import type { QueryRequest, Selector, Slo } from '../../actors/domain/query.ts';
import type { NamedTensors, Tensor } from '../../runtime/wire/tensors.ts';
import type { QueryLimits } from './config.ts';
import { isObject, type JsonObject } from './decode-request.ts';
import { nearestName } from '../../actors/domain/nearest-name.ts';
import { parseTensor } from './parse-tensor.ts';
import { badField, badInput, Refused, tooLarge } from './refused.ts';

export type ParsedQuery =
  | { readonly ok: true; readonly request: QueryRequest }
  | { readonly ok: false; readonly error: QueryError };

/** As the client wrote it; echoed as it came. */
export type ClientId = string | number;

const clientIdLengthMax = 128;
const nameLengthMax = 256;
const defaultTimeoutMs = 30_000;

const queryFields: ReadonlySet<string> = new Set([
  'id',
  'op',
  'task',
  'dataset',
  'architecture',
  'variant',
  'slo',
  'onMiss',
  'timeoutMs',
  'priority',
  'inputs',
  'outputs',
  'trace',
]);

const sloFields = ['latencyMs', 'accuracyMin', 'costUsdMax'] as const;

/** Where an unknown field may have been meant to go. */
const knownFields = [...queryFields, ...sloFields.map((field) => `slo.${field}`)];

/**
 * Parses `value`. `fallbackId` names a query that came without an id; undefined makes the id
 * mandatory (many queries on one connection are told apart by it).
 */
export function parseQuery(
  value: JsonObject,
  limits: QueryLimits,
  fallbackId?: string,
): ParsedQuery {
  try {
    return { ok: true, request: parse(value, limits, fallbackId) };
  } catch (error) {
    if (error instanceof Refused) return { ok: false, error: error.error };
    throw error;
  }
}

/** What a quote asks: a query without its inputs, and the batch that they would be. */
export type ParsedAsked =
  | { readonly ok: true; readonly quote: Pick<QuoteQuery, 'asked' | 'batch'> }
  | { readonly ok: false; readonly error: QueryError };

const askedFields: ReadonlySet<string> = new Set([
  ...['task', 'dataset', 'architecture', 'variant', 'slo', 'onMiss', 'timeoutMs', 'batch'],
]);

/** `envelope` names fields that are not part of what is asked. */
export function parseAsked(
  value: JsonObject,
  envelope: ReadonlySet<string>,
  limits: Pick<QueryLimits, 'timeoutMsMax'>,
): ParsedAsked {
  try {
    for (const key of Object.keys(value)) {
      if (!askedFields.has(key) && !envelope.has(key)) throw unknownField(key, [...askedFields]);
    }
    const asked = {
      selector: parseSelector(value),
      slo: parseSlo(value['slo']),
      onMiss: parseOnMiss(value['onMiss']),
      timeoutMs: parseTimeout(value['timeoutMs'], limits),
    };
    return { ok: true, quote: { asked, batch: parseBatch(value['batch']) } };
  } catch (error) {
    if (error instanceof Refused) return { ok: false, error: error.error };
    throw error;
  }
}

function parseBatch(value: unknown): number {
  if (value === undefined || value === null) return 1;
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1) return value;
  throw badField('batch', 'a whole number >= 1', value);
}

/** The id to answer to, whatever else is wrong; undefined where there is no usable one. */
export function clientIdOf(value: JsonObject): ClientId | undefined {
  const { id } = value;
  return isClientId(id) ? id : undefined;
}

/** Why a request cannot be told from others, or undefined when its id is fine. */
export function clientIdProblem(value: JsonObject, required: boolean): QueryError | undefined {
  const { id } = value;
  if (isClientId(id) || (!required && (id === undefined || id === null))) return undefined;
  const expected = `a string of 1..${clientIdLengthMax} characters or an integer`;
  return badField('id', expected, id).error;
}

function isClientId(id: unknown): id is ClientId {
  return typeof id === 'string'
    ? id.length > 0 && id.length <= clientIdLengthMax
    : typeof id === 'number' && Number.isSafeInteger(id);
}

function parse(value: JsonObject, limits: QueryLimits, fallbackId?: string): QueryRequest {
  const idProblem = clientIdProblem(value, fallbackId === undefined);
  if (idProblem !== undefined) throw new Refused(idProblem);
  for (const key of Object.keys(value))
    if (!queryFields.has(key)) throw unknownField(key, knownFields);
  const id = clientIdOf(value);
  return {
    id: id === undefined ? (fallbackId ?? '') : String(id),
    selector: parseSelector(value),
    slo: parseSlo(value['slo']),
    onMiss: parseOnMiss(value['onMiss']),
    timeoutMs: parseTimeout(value['timeoutMs'], limits),
    priority: parsePriority(value['priority']),
    inputs: parseInputs(value['inputs'], limits),
    outputs: parseOutputs(value['outputs'], limits),
    trace: optionalName('trace', value['trace']),
  };
}

function unknownField(key: string, known: readonly string[]): Refused {
  const nearest = nearestName(key, known);
  const meant = nearest === undefined ? `known: ${known.join(', ')}` : `did you mean "${nearest}"?`;
  return badInput(key.slice(0, 64), `unknown field "${key.slice(0, 64)}"; ${meant}`);
}

/** Where several are given the most specific wins: a variant, then an architecture, then a task. */
function parseSelector(value: JsonObject): Selector {
  const task = optionalName('task', value['task']);
  const dataset = optionalName('dataset', value['dataset']);
  const architecture = optionalName('architecture', value['architecture']);
  const variant = optionalName('variant', value['variant']);
  if (variant !== undefined) return { by: 'variant', variant };
  if (architecture !== undefined) return { by: 'architecture', architecture };
  if (task !== undefined) return { by: 'task', task, dataset };
  const what = dataset === undefined ? '' : ', not a dataset alone';
  throw badInput('task', `a query names a task, an architecture or a variant${what}`);
}

function optionalName(field: string, value: unknown): string | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'string' && value.length > 0 && value.length <= nameLengthMax) return value;
  throw badField(field, `a string of 1..${nameLengthMax} characters`, value);
}

const noSlo: Slo = {};

function parseSlo(value: unknown): Slo {
  if (value === undefined || value === null) return noSlo;
  if (!isObject(value)) throw badField('slo', 'an object', value);
  for (const key of Object.keys(value)) {
    if (key === 'latencyMs' || key === 'accuracyMin' || key === 'costUsdMax') continue;
    const nearest = nearestName(key, sloFields);
    const meant =
      nearest === undefined ? `known: ${sloFields.join(', ')}` : `did you mean "${nearest}"?`;
    throw badInput('slo', `slo: unknown field "${key.slice(0, 64)}"; ${meant}`);
  }
  return {
    latencyMs: optionalPositive('slo.latencyMs', value['latencyMs']),
    accuracyMin: optionalPercent('slo.accuracyMin', value['accuracyMin']),
    costUsdMax: optionalPositive('slo.costUsdMax', value['costUsdMax']),
  };
}

function optionalPositive(field: string, value: unknown): number | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'number' && value > 0 && Number.isFinite(value)) return value;
  throw badField(field, 'a finite number > 0', value);
}

function optionalPercent(field: string, value: unknown): number | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'number' && value >= 0 && value <= 100) return value;
  throw badField(field, 'a percentage 0..100', value);
}

function parseOnMiss(value: unknown): QueryRequest['onMiss'] {
  if (value === undefined || value === null) return 'best-effort';
  if (value === 'best-effort' || value === 'reject') return value;
  throw badField('onMiss', '"best-effort" or "reject"', value);
}

function parseTimeout(value: unknown, limits: Pick<QueryLimits, 'timeoutMsMax'>): number {
  const most = limits.timeoutMsMax;
  if (value === undefined || value === null) return Math.min(defaultTimeoutMs, most);
  if (typeof value === 'number' && value >= 1 && value <= most) return value;
  throw badField('timeoutMs', `a number 1..${most}`, value);
}

function parsePriority(value: unknown): number {
  if (value === undefined || value === null) return 0;
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 9)
    return value;
  throw badField('priority', 'an integer 0..9', value);
}

function parseInputs(value: unknown, limits: QueryLimits): NamedTensors {
  if (!isObject(value)) throw badField('inputs', 'an object of named tensors', value);
  const names = Object.keys(value);
  if (names.length === 0)
    throw badInput('inputs', 'inputs: expected at least one tensor, got none');
  if (names.length > limits.inputsMax) {
    const most = String(limits.inputsMax);
    throw tooLarge(`inputs: ${names.length} tensors are over the limit of ${most}`, {
      inputsMax: limits.inputsMax,
    });
  }
  const budget = { left: limits.jsonElementsMax };
  const inputs: Record<string, Tensor> = {};
  for (const name of names) {
    // Assigning this key would set the prototype instead.
    if (name === '__proto__' || name === '' || name.length > nameLengthMax) {
      throw badInput('inputs', `inputs: "${name.slice(0, 64)}" cannot be the name of an input`);
    }
    inputs[name] = parseTensor(name, value[name], limits, budget);
  }
  return inputs;
}

function parseOutputs(value: unknown, limits: QueryLimits): readonly string[] | undefined {
  if (value === undefined || value === null) return undefined;
  if (!Array.isArray(value)) throw badField('outputs', 'an array of names', value);
  if (value.length > limits.inputsMax) {
    const most = String(limits.inputsMax);
    throw tooLarge(`outputs: ${value.length} names are over the limit of ${most}`, {
      inputsMax: limits.inputsMax,
    });
  }
  const names = value as readonly unknown[];
  for (let index = 0; index < names.length; index += 1) {
    const name = names[index];
    if (typeof name !== 'string' || name === '' || name.length > nameLengthMax) {
      throw badField(`outputs[${index}]`, 'the name of an output', name);
    }
  }
  return names.length === 0 ? undefined : (names as readonly string[]);
}
