/**
 * Operations other than a query, alike over every gateway: what is registered, what runs, why a
 * query went where it went, what one would get, `ping`.
 *
 * The answers come from the dispatcher; descriptions of the fleet are filtered here. Unknown
 * operations, and those of later versions, are typed refusals.
 */

import type {
  DispatcherMessage,
  GatewayMessage,
  QuoteQuery,
} from '../../actors/dispatcher/protocol.ts';
import type { Subject } from '../../actors/domain/fleet-event.ts';
import type { FleetDescription } from '../../actors/domain/fleet-description.ts';
import { type QueryError, queryError } from '../../actors/domain/outcome.ts';
import type { Principal } from '../../actors/domain/principal.ts';
import type { Ref } from '../../runtime/actor.ts';
import { show } from '../../runtime/wire/tensor-elements.ts';
import type { JsonObject } from './decode-request.ts';
import { nearestName } from '../../actors/domain/nearest-name.ts';
import type { QueryLimits } from './config.ts';
import { parseAsked } from './parse-query.ts';
import { registrationOperations } from './parse-registration.ts';

export const fleetOperations = [
  'tasks',
  'architectures',
  'variants',
  'workers',
  'instances',
] as const;

export type FleetOperation = (typeof fleetOperations)[number];

/** Operations that the dispatcher answers. */
export const consultOperations = [...fleetOperations, 'explain', 'quote'] as const;

export type ConsultOperation = (typeof consultOperations)[number];

/** What a client wants to know, parsed. */
export type Consultation =
  | { readonly op: FleetOperation; readonly filters: FleetFilters }
  | { readonly op: 'explain'; readonly queryId: string; readonly subject?: undefined }
  | { readonly op: 'explain'; readonly subject: Subject }
  | { readonly op: 'quote'; readonly asked: QuoteQuery['asked']; readonly batch: number };

const knownOperations = [
  'query',
  'cancel',
  'ping',
  'subscribe',
  ...consultOperations,
  ...registrationOperations,
];

export interface FleetFilters {
  readonly task?: string | undefined;
  readonly dataset?: string | undefined;
  readonly architecture?: string | undefined;
}

const filterFields = ['task', 'dataset', 'architecture'] as const;

export function isConsultOperation(op: unknown): op is ConsultOperation {
  return (consultOperations as readonly unknown[]).includes(op);
}

/** Why `op` is not carried out here. `offered` are those that this gateway understands. */
export function operationRefused(
  op: unknown,
  offered: readonly string[] = knownOperations,
): QueryError {
  if (op === 'subscribe') {
    const message = 'subscribe is offered over WebSocket (/v1/ws) and NATS';
    return queryError('bad_input', message, { field: 'op', known: offered });
  }
  const nearest = typeof op === 'string' ? nearestName(op, offered) : undefined;
  const meant = nearest === undefined ? '' : `did you mean "${nearest}"? `;
  const message = `op: unknown operation ${show(op)}; ${meant}known: ${offered.join(', ')}`;
  return queryError('bad_input', message, { field: 'op', known: offered });
}

export type ParsedConsultation =
  | { readonly ok: true; readonly asked: Consultation }
  | { readonly ok: false; readonly error: QueryError };

/** What is asked by the fields of a request; `envelope` names fields that are not part of it. */
export function parseConsultation(
  op: ConsultOperation,
  value: JsonObject,
  envelope: ReadonlySet<string>,
  limits: QueryLimits,
): ParsedConsultation {
  switch (op) {
    case 'explain':
      return parseExplain(value, envelope);
    case 'quote': {
      const parsed = parseAsked(value, envelope, limits);
      return parsed.ok ? { ok: true, asked: { op, ...parsed.quote } } : parsed;
    }
    default:
      return parseFilters(op, value, envelope);
  }
}

export interface ConsultEnvelope {
  readonly requestId: string;
  readonly principal: Principal;
  readonly replyTo: Ref<GatewayMessage>;
}

/** The dispatcher's message that asks it. */
export function askOf(
  asked: Exclude<Consultation, { readonly subject: Subject }>,
  envelope: ConsultEnvelope,
): DispatcherMessage {
  switch (asked.op) {
    case 'explain':
      return { type: 'dispatcher.explain-query', ...envelope, queryId: asked.queryId };
    case 'quote': {
      const { asked: query, batch } = asked;
      return { type: 'dispatcher.quote-query', ...envelope, asked: query, batch };
    }
    default:
      return {
        ...{ type: 'dispatcher.describe-fleet', ...envelope },
        wanted: { parts: partsFor(asked.op), architecture: asked.filters.architecture },
      };
  }
}

/** Instances are filtered by what their variants are. */
function partsFor(op: FleetOperation): readonly FleetOperation[] {
  return op === 'instances' ? ['instances', 'variants'] : [op];
}

function parseExplain(value: JsonObject, envelope: ReadonlySet<string>): ParsedConsultation {
  const known = ['queryId', 'instance', 'worker'];
  const other = Object.keys(value).find((key) => !known.includes(key) && !envelope.has(key));
  if (other !== undefined) {
    const name = other.slice(0, 64);
    return refuse(name, `unknown field "${name}"; known: ${known.join(', ')}`);
  }
  const { queryId } = value;
  for (const kind of ['instance', 'worker'] as const) {
    const name = value[kind];
    if (name === undefined || name === null || queryId !== undefined) continue;
    if (typeof name === 'string' && name !== '' && name.length <= queryIdLengthMax) {
      return { ok: true, asked: { op: 'explain', subject: { kind, name } } };
    }
    return refuse(kind, `${kind}: expected the name of one, got ${show(name)}`);
  }
  if (typeof queryId === 'string' && queryId !== '' && queryId.length <= queryIdLengthMax) {
    return { ok: true, asked: { op: 'explain', queryId } };
  }
  const message = `queryId: expected the queryId of an answer, got ${show(queryId)}`;
  return refuse('queryId', message);
}

const queryIdLengthMax = 256;

function parseFilters(
  op: FleetOperation,
  value: JsonObject,
  envelope: ReadonlySet<string>,
): ParsedConsultation {
  const filters: Partial<Record<(typeof filterFields)[number], string>> = {};
  for (const key of Object.keys(value)) {
    if (envelope.has(key)) continue;
    const field = filterFields.find((known) => known === key);
    const given = value[key];
    if (field === undefined) {
      const message = `unknown filter "${key.slice(0, 64)}"; known: ${filterFields.join(', ')}`;
      return refuse(key.slice(0, 64), message);
    }
    if (given === undefined || given === null) continue;
    if (typeof given !== 'string') {
      return refuse(field, `${field}: expected a string, got ${show(given)}`);
    }
    filters[field] = given;
  }
  return { ok: true, asked: { op, filters } };
}

function refuse(field: string, message: string): ParsedConsultation {
  return { ok: false, error: queryError('bad_input', message, { field }) };
}

/** `{ tasks: [...] }`: the rows of an operation that the filters let through; workers have none. */
export function selectFleet(
  fleet: FleetDescription,
  op: FleetOperation,
  filters: FleetFilters,
): Readonly<Partial<Record<FleetOperation, readonly object[]>>> {
  switch (op) {
    case 'tasks':
      return { tasks: fleet.tasks.filter((task) => taskPasses(task, filters)) };
    case 'architectures':
      return {
        architectures: fleet.architectures.filter((row) =>
          passes({ ...row, architecture: row.name }, filters),
        ),
      };
    case 'variants':
      return { variants: fleet.variants.filter((row) => passes(row, filters)) };
    case 'workers':
      return { workers: fleet.workers };
    case 'instances': {
      const rows = new Map(fleet.variants.map((variant) => [variant.name, variant]));
      return {
        instances: fleet.instances.filter((instance) =>
          passes(rows.get(instance.variant) ?? {}, filters),
        ),
      };
    }
  }
}

function passes(row: FleetFilters, filters: FleetFilters): boolean {
  return filterFields.every(
    (field) => filters[field] === undefined || filters[field] === row[field],
  );
}

function taskPasses(task: FleetDescription['tasks'][number], filters: FleetFilters): boolean {
  const { dataset, architecture } = filters;
  if (filters.task !== undefined && filters.task !== task.name) return false;
  if (dataset === undefined && architecture === undefined) return true;
  return task.datasets.some(
    ({ name, architectures }) =>
      (dataset === undefined || dataset === name) &&
      (architecture === undefined || architectures.includes(architecture)),
  );
}
