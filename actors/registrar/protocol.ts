/** What the registrar understands: models offered, checked, and handed to the controller. */

import type { Ref } from '../../runtime/actor.ts';
import type { QueryError } from '../domain/outcome.ts';
import type { Principal } from '../domain/principal.ts';
import type { Variant } from '../domain/variant.ts';

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

export type RegistrarMessage =
  | {
      readonly type: 'registrar.register-model';
      readonly principal: Principal;
      readonly variant: Variant;
      readonly replyTo: Ref<RegisterOutcome>;
    }
  | {
      readonly type: 'registrar.registry-changed';
      readonly revision: number;
      readonly variants: readonly Variant[];
    };
