/** Limits for registering families in tests. */

import type { RegistrarConfig } from '../../actors/registrar/behaviour.ts';

export const registrarLimits: RegistrarConfig = {
  registrationsMax: 2,
  quickProfileMs: 1_500,
  profileMs: 10_000,
  familyMs: 150_000,
  storeMs: 10_000,
  reprofilePauseMs: 600_000,
  reprofilePauseMaxMs: 86_400_000,
  collectAfterMs: 60_000,
  profilingUtilisationMax: 0.1,
};
