/** Whether a query may come in: names, inputs and limits. What passes is in flight. */

import { isOffline } from '../domain/offline-job.ts';
import { type QueryError, queryError } from '../domain/outcome.ts';
import { checkInputs } from '../domain/signature.ts';
import type { InFlight } from './in-flight.ts';
import type { DispatcherConfig, Dispatching } from './dispatching.ts';
import type { SubmitQuery } from './protocol.ts';
import { resolveSelector } from './resolve.ts';

type Admission = { readonly entry: InFlight } | { readonly error: QueryError };

export function admit(dispatching: Dispatching, query: SubmitQuery): Admission {
  const { config } = dispatching.options;
  const { request, principal } = query;
  if (dispatching.index.revision < 0) {
    // Names that nobody has told us yet are not unknown: a retry may find them.
    const message = 'this gateway has not heard from the controller yet; try again';
    return { error: queryError('unavailable', message) };
  }
  if (dispatching.table.size >= config.inFlightMax) {
    const message = `this gateway has ${String(config.inFlightMax)} queries in flight, its limit`;
    return { error: queryError('overloaded', message) };
  }
  if (dispatching.table.ofTenant(principal.tenant) >= config.inFlightPerTenantMax) {
    const most = String(config.inFlightPerTenantMax);
    const message = `tenant "${principal.tenant}" has ${most} queries in flight, its limit`;
    return { error: queryError('overloaded', message) };
  }
  const resolved = resolveSelector(dispatching.index, request.selector);
  if (!resolved.ok) return { error: resolved.error };
  const { checker } = resolved.candidates;
  const checked = checkInputs(checker, request.inputs);
  if (!checked.ok) return { error: checked.error };
  const wrongOutput = request.outputs?.find(
    (name) => !Object.hasOwn(checker.signature.outputs, name),
  );
  if (wrongOutput !== undefined) {
    const known = Object.keys(checker.signature.outputs).join(', ');
    const message = `there is no output "${wrongOutput}"; known: ${known}`;
    return { error: queryError('bad_input', message, { output: wrongOutput }) };
  }
  const tooLarge = tooLargeBatch(checked.batch, config);
  if (tooLarge !== undefined) return { error: tooLarge };
  // As in the answer's timing, what it waited in the mailbox counts.
  const sloDueMs = query.receivedMs + (request.slo.latencyMs ?? Infinity);
  const timeoutAtMs = query.receivedMs + request.timeoutMs;
  return {
    entry: {
      submit: query,
      batch: checked.batch,
      batchKey: batchKeyOf(query, checked.batchKey),
      sloDueMs,
      // A hard SLO leaves nothing to wait for after it.
      hardDueMs: request.onMiss === 'reject' ? Math.min(timeoutAtMs, sloDueMs) : timeoutAtMs,
      attempt: 0,
      refusals: 0,
      suspicions: 0,
      losses: 0,
      placement: undefined,
      avoid: undefined,
    },
  };
}

/** A client's own batch, as `quote` judges it too. */
export function tooLargeBatch(
  batch: number,
  { batchMax }: Pick<DispatcherConfig, 'batchMax'>,
): QueryError | undefined {
  if (batch <= batchMax) return undefined;
  const message = `a batch of ${String(batch)} is over the limit of ${String(batchMax)}`;
  return queryError('too_large', message, { batchMax });
}

/** Offline queries run in batches of their own: in another's they would make it wait for them. */
function batchKeyOf({ queryId, request }: SubmitQuery, key: string | undefined): string {
  if (key === undefined) return queryId;
  return isOffline(request.priority) ? `offline ${key}` : key;
}
