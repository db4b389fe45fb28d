/** Which profiles are measured anew, by what the workers' monitors found. */

import { expect } from 'chai';

import {
  staleProfiles,
  type VariantDrift,
  type WorkerDrift,
} from '../../../../actors/policy/profiling/stale.ts';

const off = (variantId: string, ratio = 2): VariantDrift => ({ variantId, ratio, stale: true });
const right = (variantId: string): VariantDrift => ({ variantId, ratio: 1.1, stale: false });
const worker = (workerId: string, ...drifts: VariantDrift[]): WorkerDrift => ({ workerId, drifts });
const found = (...seen: WorkerDrift[]): string[] =>
  staleProfiles(seen).map(({ variantId }) => variantId);

describe('stale profiles', () => {
  const cases: readonly (readonly [string, readonly WorkerDrift[], readonly string[]])[] = [
    ['none where all is right', [worker('a', right('v'), right('w'))], []],
    ['of a variant slow on its only worker', [worker('a', off('v'), right('w'))], ['v']],
    ['of a variant faster than it says', [worker('a', off('v', 0.4), right('w'))], ['v']],
    ['of a variant slow everywhere', [worker('a', off('v')), worker('b', off('v', 1.8))], ['v']],
    [
      'not of one that is right elsewhere: it is the instance',
      [worker('a', off('v'), right('w')), worker('b', right('v'))],
      [],
    ],
    [
      'not where a worker is slow with all it runs: it is the worker',
      [worker('a', off('v'), off('w')), worker('b', right('u'))],
      [],
    ],
    [
      'of all, where the only worker is slow with all: the profiles are of another machine',
      [worker('a', off('v'), off('w'))],
      ['v', 'w'],
    ],
    [
      'not before it was off for long enough',
      [worker('a', { variantId: 'v', ratio: 3, stale: false })],
      [],
    ],
  ];
  for (const [what, seen, expected] of cases) {
    it(`are those ${what}`, () => {
      expect(found(...seen)).to.deep.equal(expected);
    });
  }

  it('are told with where and by how much they are off', () => {
    const [stale] = staleProfiles([worker('b', off('v', 1.8)), worker('a', off('v'))]);
    const reason = 'it takes 1.80 times on b, 2.00 times on a what its profile says';
    expect(stale).to.deep.equal({ variantId: 'v', reason });
  });
});
