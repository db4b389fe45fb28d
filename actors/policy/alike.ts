/**
 * A registry by what its variants may stand in for each other: found once a registry, which changes
 * far less often than policies look at it.
 */

import type { Requirement } from '../domain/demand.ts';
import type { Variant, VariantId } from '../domain/variant.ts';

export interface Alike {
  readonly byId: ReadonlyMap<VariantId, Variant>;
  readonly byUse: ReadonlyMap<string, readonly Variant[]>;
  readonly byArchitecture: ReadonlyMap<string, readonly Variant[]>;
}

const known = new WeakMap<object, Alike>();

/** @param variants The registry: nobody writes to it once it was seen here. */
export function alikeOf(variants: readonly Variant[] | ReadonlyMap<VariantId, Variant>): Alike {
  const found = known.get(variants);
  if (found !== undefined) return found;
  const byId = new Map<VariantId, Variant>();
  const byUse = new Map<string, Variant[]>();
  const byArchitecture = new Map<string, Variant[]>();
  for (const variant of variants.values()) {
    byId.set(variant.id, variant);
    addTo(byUse, useOf(variant), variant);
    addTo(byArchitecture, variant.architecture, variant);
  }
  const made = { byId, byUse, byArchitecture };
  known.set(variants, made);
  return made;
}

function addTo(lists: Map<string, Variant[]>, key: string, variant: Variant): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [variant]);
  else list.push(variant);
}

/** Only what is for the same task and dataset may take another's queries. */
function useOf({ task, dataset }: Variant): string {
  return `${task}\n${dataset}`;
}

/** All of the registry for what `variant` is for, itself too. */
export function usedLike({ byUse }: Alike, variant: Variant): readonly Variant[] {
  return byUse.get(useOf(variant)) ?? none;
}

/**
 * Those that may serve all of what `variant` serves, as far as what was named goes; itself too.
 * Whether they do, `meets` (`domain/demand.ts`) tells.
 */
export function namedLike(
  alike: Alike,
  variant: Variant,
  asked: Iterable<Pick<Requirement, 'by'>>,
): readonly Variant[] {
  let isArchitecture = false;
  for (const { by } of asked) {
    if (by === 'variant') {
      const itself = alike.byId.get(variant.id);
      return itself === undefined ? none : [itself];
    }
    isArchitecture ||= by === 'architecture';
  }
  if (!isArchitecture) return usedLike(alike, variant);
  return alike.byArchitecture.get(variant.architecture) ?? none;
}

const none: readonly Variant[] = [];
