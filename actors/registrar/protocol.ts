/** What the registrar understands, and what it tells those who register models. */

import type { Ref } from '../../runtime/actor.ts';
import type { Family } from '../domain/family.ts';
import type { ModelManifest, RegisterOptions } from '../domain/manifest.ts';
import type { QueryError } from '../domain/outcome.ts';
import type { Principal } from '../domain/principal.ts';
import type {
  RegistrationProgress,
  RegistrationReport,
  UnregisterReport,
} from '../domain/registration.ts';
import type { Variant } from '../domain/variant.ts';
import type { ProfilingPlace } from '../policy/profiling/place.ts';
import type { WorkerDrift } from '../policy/profiling/stale.ts';
import type { ProfilerMessage } from './profiler-port.ts';
import type { StepEvent } from './steps-port.ts';

export type RegisterOutcome =
  | {
      readonly type: 'registrar.model-registered';
      readonly variantId: string;
      readonly changed: boolean;
    }
  | {
      readonly type: 'registrar.model-refused';
      readonly variantId: string;
      readonly error: QueryError;
    };

/** What whoever asked for a registration, or for the end of one, is told. */
export type RegistrationEvent =
  | {
      readonly type: 'gateway.registration-progressed';
      readonly requestId: string;
      readonly progress: RegistrationProgress;
    }
  | {
      readonly type: 'gateway.family-registered';
      readonly requestId: string;
      readonly report: RegistrationReport;
    }
  | {
      readonly type: 'gateway.family-unregistered';
      readonly requestId: string;
      readonly report: UnregisterReport;
    }
  | {
      readonly type: 'gateway.registration-refused';
      readonly requestId: string;
      readonly error: QueryError;
    };

export interface RegisterFamily {
  readonly type: 'registrar.register-family';
  readonly requestId: string;
  readonly principal: Principal;
  /** Where the files are that the manifest names. */
  readonly uploadId: string;
  readonly manifest: ModelManifest;
  readonly options: RegisterOptions;
  readonly replyTo: Ref<RegistrationEvent>;
}

export interface UnregisterFamily {
  readonly type: 'registrar.unregister-family';
  readonly requestId: string;
  readonly principal: Principal;
  readonly architecture: string;
  /** One of its variants; all of them where it is left out. */
  readonly variant?: string | undefined;
  readonly replyTo: Ref<RegistrationEvent>;
}

/**
 * How a worker is, and what its monitor found of the profiles of what it runs: at intervals, as it
 * is then.
 */
export interface WorkerSeen extends WorkerDrift, ProfilingPlace {
  readonly type: 'registrar.worker-seen';
  /** Measures models there; undefined: nobody does. */
  readonly profiler: Ref<ProfilerMessage> | undefined;
  /** When it will tell again. */
  readonly everyMs: number;
}

/** What the controller tells of a family that it was to record or to remove. */
export type FamilyEvent =
  | { readonly type: 'registrar.family-stored'; readonly requestId: string }
  | {
      readonly type: 'registrar.family-not-stored';
      readonly requestId: string;
      readonly message: string;
    };

export type RegistrarMessage =
  | {
      /** A variant that was made and measured elsewhere, file and all. */
      readonly type: 'registrar.register-model';
      readonly principal: Principal;
      readonly variant: Variant;
      readonly replyTo: Ref<RegisterOutcome>;
    }
  | RegisterFamily
  | UnregisterFamily
  | WorkerSeen
  | StepEvent
  | FamilyEvent
  | {
      /** All there are, when it attaches: afterwards it knows, since nobody else records any. */
      readonly type: 'registrar.registry-changed';
      readonly revision: number;
      readonly families: readonly Family[];
    }
  /** Files that were replaced or removed are not loaded by anybody any more. */
  | { readonly type: 'registrar.collect-due' };
