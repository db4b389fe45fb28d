/**
 * Operations other than a query, alike over every gateway: what is registered, what runs, `ping`.
 *
 * The descriptions come from the dispatcher (`dispatcher.describe-fleet`); here they are filtered.
 * Unknown operations, and those of later versions, are typed refusals.
 */

import type { FleetDescription } from '../../actors/domain/fleet-description.ts';
import { type QueryError, queryError } from '../../actors/domain/outcome.ts';
import { show } from '../../runtime/wire/tensor-elements.ts';
import type { JsonObject } from './decode-request.ts';
import { nearestName } from './nearest-name.ts';
import { registrationOperations } from './parse-registration.ts';

export const fleetOperations = [
  'tasks',
  'architectures',
  'variants',
  'workers',
  'instances',
] as const;

export type FleetOperation = (typeof fleetOperations)[number];

/** Promised by the interface for a later version. */
const laterOperations: ReadonlySet<string> = new Set(['explain', 'quote', 'subscribe']);

const knownOperations = ['query', 'cancel', 'ping', ...fleetOperations, ...registrationOperations];

export interface FleetFilters {
  readonly task?: string | undefined;
  readonly dataset?: string | undefined;
  readonly architecture?: string | undefined;
}

const filterFields = ['task', 'dataset', 'architecture'] as const;

export function isFleetOperation(op: unknown): op is FleetOperation {
  return (fleetOperations as readonly unknown[]).includes(op);
}

/** Why `op` is not carried out here. `offered` are those that this gateway understands. */
export function operationRefused(
  op: unknown,
  offered: readonly string[] = knownOperations,
): QueryError {
  if (typeof op === 'string' && laterOperations.has(op)) {
    const message = `operation ${op} is not available in this version`;
    return queryError('bad_input', message, { field: 'op', known: offered });
  }
  const nearest = typeof op === 'string' ? nearestName(op, offered) : undefined;
  const meant = nearest === undefined ? '' : `did you mean "${nearest}"? `;
  const message = `op: unknown operation ${show(op)}; ${meant}known: ${offered.join(', ')}`;
  return queryError('bad_input', message, { field: 'op', known: offered });
}

export type ParsedFilters =
  | { readonly ok: true; readonly filters: FleetFilters }
  | { readonly ok: false; readonly error: QueryError };

/** The filters among a request's fields; `envelope` names fields that are not filters. */
export function parseFilters(value: JsonObject, envelope: ReadonlySet<string>): ParsedFilters {
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
  return { ok: true, filters };
}

function refuse(field: string, message: string): ParsedFilters {
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
