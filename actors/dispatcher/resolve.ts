/** Resolves what a query names to the variants that can answer it, or says why none can. Pure. */

import { nearestName } from '../domain/nearest-name.ts';
import { type QueryError, queryError } from '../domain/outcome.ts';
import type { Selector } from '../domain/query.ts';
import { useCaseOf } from '../domain/variant.ts';
import type { Candidates, FleetIndex } from './fleet-index.ts';

export type Resolved =
  | { readonly ok: true; readonly candidates: Candidates; readonly pinned: boolean }
  | { readonly ok: false; readonly error: QueryError };

/** `pinned` is true when the architecture is named, so that carried state is understood. */
export function resolveSelector(index: FleetIndex, selector: Selector): Resolved {
  switch (selector.by) {
    case 'variant': {
      const variant = index.variants.get(selector.variant);
      if (variant === undefined) {
        return unknown('unknown_variant', 'variant', selector.variant, index.variants.keys());
      }
      return {
        ok: true,
        candidates: { variants: [variant], checker: variant.checker },
        pinned: true,
      };
    }
    case 'architecture': {
      const candidates = index.architectures.get(selector.architecture);
      return candidates === undefined
        ? unknown(
            'unknown_architecture',
            'architecture',
            selector.architecture,
            index.architectures.keys(),
          )
        : { ok: true, candidates, pinned: true };
    }
    default:
      return resolveTask(index, selector.task, selector.dataset);
  }
}

function resolveTask(index: FleetIndex, task: string, dataset: string | undefined): Resolved {
  const datasets = index.datasets.get(task);
  if (datasets === undefined) return unknown('unknown_task', 'task', task, index.datasets.keys());
  const [only] = datasets;
  if (dataset === undefined && datasets.length > 1) {
    const known = datasets.join(', ');
    const message = `task "${task}" has several datasets, name one: ${known}`;
    return { ok: false, error: queryError('bad_input', message, { field: 'dataset', known }) };
  }
  const candidates = index.useCases.get(useCaseOf(task, dataset ?? only ?? ''));
  return candidates === undefined
    ? unknown('unknown_task', `dataset of task "${task}"`, dataset ?? '', datasets)
    : { ok: true, candidates, pinned: false };
}

function unknown(
  code: 'unknown_task' | 'unknown_architecture' | 'unknown_variant',
  kind: string,
  name: string,
  known: Iterable<string>,
): Resolved {
  const names = [...known].sort();
  const shown = names.slice(0, 20).join(', ') || 'none is registered';
  const nearest = nearestName(name, names);
  const meant = nearest === undefined ? '' : `did you mean "${nearest}"? `;
  const message = `there is no ${kind} "${name}"; ${meant}known: ${shown}`;
  const details = { known: names.slice(0, 20), ...(nearest === undefined ? {} : { nearest }) };
  return { ok: false, error: queryError(code, message, details) };
}
