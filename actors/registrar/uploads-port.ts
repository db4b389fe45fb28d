/** How the files of a model come to the registrar's node: in chunks, each acknowledged. */

import type { Ref } from '../../runtime/actor.ts';
import type { Principal } from '../domain/principal.ts';
import type { RegistrationEvent } from './protocol.ts';

export interface WriteChunk {
  readonly type: 'uploads.write-chunk';
  readonly requestId: string;
  readonly principal: Principal;
  /** The client's choice; a registration names it. */
  readonly uploadId: string;
  /** As the manifest names it. */
  readonly file: string;
  /** Where in the file; at most as many bytes as have come. */
  readonly offset: number;
  readonly data: Uint8Array;
  readonly replyTo: Ref<UploadEvent>;
}

export type UploadEvent =
  | {
      readonly type: 'gateway.chunk-written';
      readonly requestId: string;
      /** Of this file, now. */
      readonly bytes: number;
    }
  | Extract<RegistrationEvent, { type: 'gateway.registration-refused' }>;
