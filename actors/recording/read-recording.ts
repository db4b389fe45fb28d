/** Reads a recording that `turn-writer.ts` wrote. */

import { refOf } from '../../runtime/actor.ts';
import { assertNever } from '../../runtime/assert.ts';
import { ConfigInvalid, messageOf } from '../../runtime/errors.ts';
import type { ReplayedTurn } from '../../runtime/replaying.ts';
import { createRecordDecoder, type RecordDecoder } from '../../runtime/wire/record-codec.ts';
import {
  ACTOR,
  BEGUN,
  CLOSED,
  ENDED,
  type Entry,
  type Header,
  numbersBack,
  passedOn,
  type RecordedTold,
  recordingFormat,
  recordingVersion,
  ROOT,
  type Root,
} from './entries.ts';
import { revived } from './recordable.ts';

export interface RecordedTurn extends ReplayedTurn {
  readonly told: readonly RecordedTold[];
  readonly threw: boolean;
}

/** A recording, piece by piece: a whole one may not fit into memory. */
export type Piece =
  | { readonly kind: 'header'; readonly header: Header }
  | { readonly kind: 'root'; readonly root: Root }
  | { readonly kind: 'turn'; readonly turn: RecordedTurn }
  /** The last; without it whoever wrote the recording was ended. */
  | { readonly kind: 'closed'; readonly why: string };

/**
 * @param blocks Bytes of whole entries, in order.
 * @param name For messages. Throws ConfigInvalid on what is no recording of this version.
 */
export function* readRecording(blocks: Iterable<Uint8Array>, name: string): Generator<Piece> {
  const reading = new Reading();
  const decoder = createRecordDecoder();
  let isBegun = false;
  for (const block of blocks) {
    for (const value of decodeBlock(decoder, block, name)) {
      if (isBegun) yield* reading.take(entryOf(value, name));
      else {
        isBegun = true;
        yield { kind: 'header', header: headerOf(value, name) };
      }
    }
  }
  if (!isBegun) {
    throw new ConfigInvalid(`${name} is no recording, or ends before its first turn`, name);
  }
  yield* reading.end();
}

function entryOf(value: unknown, name: string): Entry {
  const kind: unknown = Array.isArray(value) ? value[0] : undefined;
  if (typeof kind === 'number' && kind >= ROOT && kind <= CLOSED) return value as Entry;
  throw new ConfigInvalid(`${name} is damaged: there is something else between its turns`, name);
}

function decodeBlock(decoder: RecordDecoder, block: Uint8Array, name: string): unknown[] {
  try {
    return decoder.decode(block);
  } catch (error) {
    throw new ConfigInvalid(`${name} is damaged: ${messageOf(error)}`, name, error);
  }
}

function headerOf(value: unknown, name: string): Header {
  const { format, version } = (value ?? {}) as Partial<Header>;
  if (format !== recordingFormat) throw new ConfigInvalid(`${name} is no recording`, name);
  if (version !== recordingVersion) {
    const what = `of version ${String(version)}; this infaas reads ${String(recordingVersion)}`;
    throw new ConfigInvalid(`${name} is a recording ${what}`, name);
  }
  return value as Header;
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };

class Reading {
  /** What it told may come yet. */
  #turn: Writable<RecordedTurn> | undefined;
  /** A ring of the last messages told, by their numbers. */
  readonly #told: unknown[] = [];
  #toldCount = 0;
  readonly #actors: (readonly [node: string, path: string])[] = [];

  *take(entry: Entry): Generator<Piece> {
    switch (entry[0]) {
      case ROOT:
        yield* this.end();
        yield { kind: 'root', root: entry[1] };
        return;
      case ACTOR:
        this.#actors[entry[1]] = [entry[2], entry[3]];
        return;
      case BEGUN: {
        yield* this.end();
        const [, actor, kind, epoch, nowMs, taken] = entry;
        const meant = typeof taken === 'number' ? this.#told[taken % numbersBack] : taken;
        const message = meant === undefined ? undefined : revived(meant);
        const [node, path] = this.#actors[actor] ?? ['', ''];
        const self = refOf<never>(node, epoch, path);
        this.#turn = { kind, self, nowMs, message, told: [], drawn: [], threw: false };
        return;
      }
      case ENDED:
        if (this.#turn !== undefined) {
          [, this.#turn.told, this.#turn.drawn, this.#turn.threw] = entry;
        }
        for (const [, , message] of entry[1]) {
          if (message !== passedOn) this.#told[this.#toldCount++ % numbersBack] = message;
        }
        return;
      case CLOSED:
        yield* this.end();
        yield { kind: 'closed', why: entry[1] };
        return;
      default:
        assertNever(entry);
    }
  }

  /** The turn that was begun last, if it was not given yet. */
  *end(): Generator<Piece> {
    const turn = this.#turn;
    this.#turn = undefined;
    if (turn !== undefined) yield { kind: 'turn', turn };
  }
}
