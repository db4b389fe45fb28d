/** Writes turns as entries of a recording, to wherever bytes go. */

import type { ActorSpec, Address } from '../../runtime/actor.ts';
import {
  recordedSpec,
  type TurnBegun,
  type TurnEnded,
  type TurnRecorder,
} from '../../runtime/recording.ts';
import { createRecordEncoder, type RecordEncoder } from '../../runtime/wire/record-codec.ts';
import {
  ACTOR,
  BEGUN,
  CLOSED,
  ENDED,
  type Entry,
  type Header,
  numbersBack,
  recordingFormat,
  recordingVersion,
  ROOT,
  type Root,
} from './entries.ts';
import { recordable, toldOf } from './recordable.ts';

export interface TurnWriterOptions {
  readonly header: Omit<Header, 'format' | 'version'>;
  /** Takes the bytes as they are; nobody writes to them again. */
  readonly write: (bytes: Uint8Array) => void;
  readonly bytesMax: number;
  /** Called once, when it takes nothing more: it is full. */
  readonly onFull: () => void;
}

export class TurnWriter implements TurnRecorder {
  readonly #options: TurnWriterOptions;
  readonly #encoder: RecordEncoder = createRecordEncoder();
  readonly #actors = new Map<string, number>();
  /** What one actor told another of this process is written once. */
  readonly #numbers = new WeakMap<object, number>();
  #told = 0;
  #bytes = 0;
  #open = true;
  /** What the turn that runs has taken. */
  #taken: unknown = undefined;

  constructor(options: TurnWriterOptions) {
    this.#options = options;
    const header: Header = {
      ...{ format: recordingFormat, version: recordingVersion },
      ...options.header,
    };
    this.#put(header);
  }

  get open(): boolean {
    return this.#open;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The spec of a root, recorded, and all that it spawns. */
  record<S, M>(spec: ActorSpec<S, M>, root: Root): ActorSpec<S, M> {
    if (!this.#open) return spec;
    const data = Object.entries(root.options).filter(([, value]) => typeof value !== 'function');
    this.#write([ROOT, { ...root, options: Object.fromEntries(data) }]);
    return recordedSpec(spec, this);
  }

  begin({ kind, self, nowMs, message }: TurnBegun): void {
    this.#taken = message;
    const actor = this.#actorNumber(self);
    this.#write([BEGUN, actor, kind, self.epoch, nowMs, this.#written(message)]);
  }

  end({ told, drawn, threw }: TurnEnded): void {
    const kept = toldOf(told, this.#taken, (message) => {
      this.#numbers.set(message, this.#told);
      this.#told += 1;
    });
    this.#taken = undefined;
    if (kept.length > 0 || drawn.length > 0 || threw) this.#write([ENDED, kept, drawn, threw]);
    // Between two turns, so that what is there is whole.
    if (this.#bytes >= this.#options.bytesMax) {
      this.close('it is full');
      this.#options.onFull();
    }
  }

  close(why: string): void {
    if (!this.#open) return;
    this.#write([CLOSED, why]);
    this.#open = false;
  }

  #written(message: unknown): unknown {
    if (typeof message !== 'object' || message === null) return undefined;
    const number = this.#numbers.get(message) ?? -Infinity;
    return this.#told - number < numbersBack ? number : recordable(message);
  }

  #actorNumber({ node, path }: Address): number {
    const known = this.#actors.get(path);
    if (known !== undefined) return known;
    const number = this.#actors.size;
    this.#actors.set(path, number);
    this.#write([ACTOR, number, node, path]);
    return number;
  }

  #write(entry: Entry): void {
    this.#put(entry);
  }

  #put(value: unknown): void {
    const bytes = this.#encoder.encode(value);
    this.#bytes += bytes.byteLength;
    this.#options.write(bytes);
  }
}
