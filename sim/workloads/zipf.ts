/** Popularity by Zipf's law: the k-th of n is asked for in proportion to 1 / k^exponent. */

import type { Random } from '../../runtime/random.ts';

/** Draws positions from 0 (the most popular) to `count - 1`. */
export function createZipf(count: number, exponent: number, random: Random): () => number {
  const upTo = new Float64Array(count);
  let sum = 0;
  for (let rank = 1; rank <= count; rank += 1) {
    sum += rank ** -exponent;
    upTo[rank - 1] = sum;
  }
  return () => {
    const drawn = random() * sum;
    let low = 0;
    let high = count - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((upTo[middle] as number) > drawn) high = middle;
      else low = middle + 1;
    }
    return low;
  };
}
