/** Reads a recording that `turn-writer.ts` wrote. */

import { refOf } from '../../runtime/actor.ts';
import { assertNever } from '../../runtime/assert.ts';
import { ConfigInvalid, messageOf } from '../../runtime/errors.ts';
import type { ReplayedTurn } from '../../runtime/replaying.ts';
import { createRecordDecoder } from '../../runtime/wire/record-codec.ts';
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

export interface Recording {
  readonly header: Header;
  readonly roots: readonly Root[];
  readonly turns: readonly RecordedTurn[];
  /** Why it ends; undefined: whoever wrote it was ended. */
  readonly closed: string | undefined;
}

/**
 * @param blocks Bytes of whole entries, in order.
 * @param name For messages. Throws ConfigInvalid on what is no recording of this version.
 */
export function readRecording(blocks: Iterable<Uint8Array>, name: string): Recording {
  const reading = new Reading();
  const decoder = createRecordDecoder();
  let header: Header | undefined;
  try {
    for (const block of blocks) {
      for (const value of decoder.decode(block)) {
        if (header === undefined) header = headerOf(value, name);
        else reading.take(value as Entry);
      }
    }
  } catch (error) {
    if (error instanceof ConfigInvalid) throw error;
    throw new ConfigInvalid(`${name} is damaged: ${messageOf(error)}`, name, error);
  }
  if (header === undefined) throw new ConfigInvalid(`${name} is empty`, name);
  const { roots, turns, closed } = reading;
  return { header, roots, turns, closed };
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
  readonly roots: Root[] = [];
  readonly turns: Writable<RecordedTurn>[] = [];
  closed: string | undefined;
  /** A ring of the last messages told, by their numbers. */
  readonly #told: unknown[] = [];
  #toldCount = 0;
  readonly #actors: (readonly [node: string, path: string])[] = [];

  take(entry: Entry): void {
    switch (entry[0]) {
      case ROOT:
        this.roots.push(entry[1]);
        return;
      case ACTOR:
        this.#actors[entry[1]] = [entry[2], entry[3]];
        return;
      case BEGUN: {
        const [, actor, kind, epoch, nowMs, taken] = entry;
        const meant = typeof taken === 'number' ? this.#told[taken % numbersBack] : taken;
        const message = meant === undefined ? undefined : revived(meant);
        const [node, path] = this.#actors[actor] ?? ['', ''];
        const self = refOf<never>(node, epoch, path);
        const nothing = { told: [], drawn: [], threw: false };
        this.turns.push({ kind, self, nowMs, message, ...nothing });
        return;
      }
      case ENDED: {
        const turn = this.turns.at(-1);
        if (turn !== undefined) [, turn.told, turn.drawn, turn.threw] = entry;
        for (const [, , message] of entry[1]) {
          if (message !== passedOn) this.#told[this.#toldCount++ % numbersBack] = message;
        }
        return;
      }
      case CLOSED:
        this.closed = entry[1];
        return;
      default:
        assertNever(entry);
    }
  }
}
