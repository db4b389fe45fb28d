/** Families for tests: variants grouped by their architecture, and limits for registering more. */

import type { Family } from '../../actors/domain/family.ts';
import type { Variant } from '../../actors/domain/variant.ts';
import type { RegistrarConfig } from '../../actors/registrar/behaviour.ts';

export function familiesOf(variants: readonly Variant[]): Family[] {
  const groups = new Map<string, Variant[]>();
  for (const variant of variants) {
    const { architecture } = variant;
    groups.set(architecture, [...(groups.get(architecture) ?? []), variant]);
  }
  return [...groups].map(([architecture, members]) => ({
    ...{ architecture, version: 1, complete: true },
    ...{ variants: members, refused: [] },
  }));
}

export const registrarLimits: RegistrarConfig = {
  registrationsMax: 2,
  quickProfileMs: 1_500,
  profileMs: 10_000,
  familyMs: 150_000,
  storeMs: 10_000,
  collectAfterMs: 60_000,
};
