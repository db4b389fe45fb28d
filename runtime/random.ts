/**
 * The randomness port, and the seeded generator behind it.
 *
 * Streams are split by purpose, so that drawing once more in one place does not shift what another
 * place draws: that is what makes a failing seed replay.
 */

export type Random = () => number;

/** A seeded stream, uniform in [0, 1). Source: mulberry32 (public domain, T. Ettinger). */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** An independent stream for `purpose`. The purpose is hashed with FNV-1a. */
export function splitRandom(seed: number, purpose: string): Random {
  let hash = 0x811c9dc5 ^ seed;
  for (let index = 0; index < purpose.length; index += 1) {
    hash = Math.imul(hash ^ purpose.charCodeAt(index), 0x01000193);
  }
  return seededRandom(hash);
}
