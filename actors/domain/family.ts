/**
 * A family: the variants of one architecture as registration made them of one source. It is
 * recorded and replaced as a whole, so that a crash leaves the old one or the new one.
 */

import type { Variant } from './variant.ts';

/** What was made, or thought of, and not registered. */
export interface RefusedVariant {
  readonly name: string;
  readonly reason: string;
}

export interface Family {
  readonly architecture: string;
  /** From 1; grows with each source that replaced another. */
  readonly version: number;
  /** Of all that was given: model, validation set, manifest. Undefined for ready-made variants. */
  readonly sourceDigest?: string | undefined;
  /** Its registration went through to the end: the same source again changes nothing. */
  readonly complete: boolean;
  readonly variants: readonly Variant[];
  readonly refused: readonly RefusedVariant[];
}

/** Ready-made variants as families of their architectures. */
export function familiesOf(variants: readonly Variant[]): Family[] {
  const made = new Map<string, Family>();
  for (const variant of variants) {
    const { architecture } = variant;
    const family = made.get(architecture) ?? {
      ...{ architecture, version: 1, complete: true, variants: [], refused: [] },
    };
    made.set(architecture, { ...family, variants: [...family.variants, variant] });
  }
  return [...made.values()];
}

/** The family with this variant in it, in the place of one of the same name. */
export function withVariant(family: Family, variant: Variant): Family {
  const at = family.variants.findIndex(({ id }) => id === variant.id);
  const variants = at < 0 ? [...family.variants, variant] : family.variants.with(at, variant);
  return { ...family, variants };
}

/** What a reader of variants has to know of a change from one family to another. */
export function changesBetween(
  before: Family | undefined,
  after: Family | undefined,
): { readonly changed: readonly Variant[]; readonly removed: readonly string[] } {
  const old = new Map(before?.variants.map((variant) => [variant.id, variant]));
  const now = new Map(after?.variants.map((variant) => [variant.id, variant]));
  return {
    changed: [...now.values()].filter((variant) => old.get(variant.id) !== variant),
    removed: [...old.keys()].filter((id) => !now.has(id)),
  };
}
