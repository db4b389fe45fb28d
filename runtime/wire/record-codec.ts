/**
 * The codec of recordings: values one after another, each object's keys written once for all that
 * have the same. Unlike `codec.ts` it is for files of our own and keeps `undefined` apart from
 * null; -0 comes back as 0. What it reads is checked by whoever asks for it.
 */

import { Packr, Unpackr } from 'msgpackr';

export interface RecordEncoder {
  /** Values must be read in the order in which they were written. */
  encode(value: unknown): Uint8Array;
}

/** Made anew each time: msgpackr keeps what it has learnt in there. */
function settings(): { readonly sequential: true } {
  return { sequential: true };
}

export function createRecordEncoder(): RecordEncoder {
  const packr = new Packr(settings());
  return { encode: (value) => packr.pack(value) };
}

export interface RecordDecoder {
  /** All values of some whole number of encoded ones. Throws on what is none. */
  decode(bytes: Uint8Array): unknown[];
}

export function createRecordDecoder(): RecordDecoder {
  const unpackr = new Unpackr(settings());
  return {
    decode: (bytes) => {
      const values: unknown[] = [];
      unpackr.unpackMultiple(bytes, (value: unknown) => {
        values.push(value);
      });
      return values;
    },
  };
}
