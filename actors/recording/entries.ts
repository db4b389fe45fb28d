/**
 * A recording as a sequence of values: a header, the actors that nobody spawned within it (roots),
 * and turn after turn what each actor took and did. `turn-writer.ts` writes it, `read-recording.ts`
 * reads it.
 */

import type { TurnKind } from '../../runtime/recording.ts';

export const recordingFormat = 'infaas recording';
export const recordingVersion = 1;
export const recordingExtension = '.recording';

export interface Header {
  readonly format: typeof recordingFormat;
  readonly version: typeof recordingVersion;
  readonly node: string;
  /** When it began, ms since 1970. */
  readonly wallMs: number;
  /** The same moment on the clock of the turns. */
  readonly nowMs: number;
}

export type RootKind = 'dispatcher' | 'worker' | 'fleet-autoscaler';

export interface Root {
  readonly path: string;
  readonly kind: RootKind;
  /** Those of its spec that are data. */
  readonly options: object;
}

export const ROOT = 0;
export const ACTOR = 1;
export const BEGUN = 2;
export const ENDED = 3;
/** It was ended in good order: nothing is missing behind it. */
export const CLOSED = 4;

export type Entry =
  | readonly [typeof ROOT, Root]
  /** From here on a number stands for it. */
  | readonly [typeof ACTOR, actor: number, node: string, path: string]
  | readonly [
      typeof BEGUN,
      actor: number,
      kind: TurnKind,
      epoch: number,
      nowMs: number,
      /** A number: the message told under it. Those that are told are numbered from 0. */
      message: unknown,
    ]
  /** Of the turn before it; a turn that did nothing has none. */
  | readonly [typeof ENDED, told: readonly RecordedTold[], drawn: readonly number[], threw: boolean]
  | readonly [typeof CLOSED, why: string];

export type RecordedTold = readonly [node: string, path: string, message: unknown];

/** In the place of a message that is passed on as it was taken; it has no number of its own. */
export const passedOn = 'passed on';

/** Of messages told, so many back may be meant by a number. */
export const numbersBack = 10_000;
