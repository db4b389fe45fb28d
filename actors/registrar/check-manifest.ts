/** What can be held against a manifest before any of its files is looked at. Pure. */

import type { ModelManifest } from '../domain/manifest.ts';
import { type QueryError, queryError } from '../domain/outcome.ts';
import { nameProblem } from './check-variant.ts';
import type { Registry } from './registry.ts';

/** Room for what the generator adds: `-int8-dynamic-extended`. */
const architectureLengthMax = 96;

/** The first reason, naming the field, or undefined. */
export function badManifest(manifest: ModelManifest, registry: Registry): QueryError | undefined {
  const { architecture, task, dataset, variant } = manifest;
  for (const [field, name] of Object.entries({ architecture, task, dataset })) {
    const problem = nameProblem(field, name);
    if (problem !== undefined) return problem;
  }
  if (architecture.length > architectureLengthMax) {
    const message = `architecture: a name has at most ${architectureLengthMax} characters`;
    return queryError('bad_input', message, { field: 'architecture' });
  }
  const known = registry.family(architecture)?.variants[0];
  for (const [field, given, has] of [
    ['task', task, known?.task],
    ['dataset', dataset, known?.dataset],
  ] as const) {
    if (has === undefined || has === given) continue;
    const message =
      `${field}: architecture "${architecture}" is registered for ${field} "${has}", ` +
      `not "${given}"; unregister it first, or give this one another name`;
    return queryError('bad_input', message, { field });
  }
  return variant === undefined ? undefined : registry.objectionToName(variant, architecture);
}
