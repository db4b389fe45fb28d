/** Whether an offered variant may be registered: against itself, and against its task. Pure. */

import { type QueryError, queryError } from '../domain/outcome.ts';
import type { LatencyPoint } from '../domain/profile.ts';
import { batchAxisOf, signatureMismatch, taskSignatureOf } from '../domain/signature.ts';
import type { Variant } from '../domain/variant.ts';

const nameShape = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;

/** Why something cannot be called so, or undefined. */
export function nameProblem(field: string, name: string): QueryError | undefined {
  if (nameShape.test(name)) return undefined;
  return bad(field, `"${name.slice(0, 200)}" is no name: letters, digits, ".", "-", "_"`);
}

/** The first reason against it, naming the field, or undefined. */
export function objectionTo(
  offered: Variant,
  registered: Iterable<Variant>,
): QueryError | undefined {
  return objectionToItself(offered) ?? objectionFromOthers(offered, registered);
}

function objectionToItself(offered: Variant): QueryError | undefined {
  for (const field of ['id', 'architecture', 'task', 'dataset'] as const) {
    const problem = nameProblem(field, offered[field]);
    if (problem !== undefined) return problem;
  }
  if (!(offered.accuracy >= 0 && offered.accuracy <= 100)) {
    return bad('accuracy', `${String(offered.accuracy)} is no percentage`);
  }
  if (offered.profile.latency.length === 0) return bad('profile', 'it has no measured latency');
  if (!isAscending(offered.profile.latency)) {
    return bad('profile', 'its latencies must be positive and ascending by batch');
  }
  const outputs = offered.signature.outputs;
  for (const [name, spec] of Object.entries(offered.signature.inputs)) {
    if (spec.shared === true && batchAxisOf(spec) >= 0) {
      return bad('signature', `input "${name}" is shared and yet has a batch axis`);
    }
    if (spec.state !== undefined && outputs[spec.state] === undefined) {
      return bad(
        'signature',
        `input "${name}" is carried by output "${spec.state}", which is missing`,
      );
    }
  }
  for (const side of ['inputs', 'outputs'] as const) {
    for (const name of Object.keys(offered.adapter[side] ?? {})) {
      if (offered.signature[side][name] === undefined) {
        return bad('adapter', `${side} "${name}" is not in the signature`);
      }
    }
  }
  return undefined;
}

/** Else predictions between two points would be no numbers. */
function isAscending(points: readonly LatencyPoint[]): boolean {
  return points.every(
    ({ batch, ms }, at) => ms > 0 && ms < Infinity && batch > (points[at - 1]?.batch ?? 0),
  );
}

function objectionFromOthers(
  offered: Variant,
  registered: Iterable<Variant>,
): QueryError | undefined {
  for (const other of registered) {
    if (other.id === offered.id) continue;
    if (other.task === offered.task) {
      const mismatch = signatureMismatch(
        taskSignatureOf(other.signature),
        taskSignatureOf(offered.signature),
      );
      if (mismatch !== undefined) {
        return bad('signature', `it does not fit task "${offered.task}": ${mismatch}`);
      }
    }
    if (other.architecture === offered.architecture) {
      const mismatch = signatureMismatch(other.signature, offered.signature);
      if (mismatch !== undefined || other.task !== offered.task) {
        return bad(
          'signature',
          `it does not fit architecture "${offered.architecture}": ${mismatch ?? 'another task'}`,
        );
      }
    }
  }
  return undefined;
}

function bad(field: string, what: string): QueryError {
  return queryError('bad_input', `${field}: ${what}`, { field });
}
