// A candidate is kept unless another is at least as good in every respect.

import { expect } from 'chai';
import fc from 'fast-check';

import {
  type Contender,
  dominanceOf,
  isDominated,
} from '../../../../actors/policy/generation/dominance.ts';

const source: Contender = {
  id: 'source',
  hardware: 'cpu',
  accuracy: 98,
  accuracyKind: 'top1',
  fileBytes: 1000,
  memoryBytes: 5000,
  loadMs: 10,
  latency: [
    { batch: 1, ms: 2 },
    { batch: 8, ms: 10 },
  ],
};
const latency = (one: number, eight: number): Contender['latency'] => [
  { batch: 1, ms: one },
  { batch: 8, ms: eight },
];

describe('dominance', () => {
  const table: readonly (readonly [string, Partial<Contender>, boolean])[] = [
    ['equal in everything', {}, true],
    ['slower, larger and less accurate', { accuracy: 97, fileBytes: 2000 }, true],
    ['slower and larger, as accurate', { latency: latency(3, 12), fileBytes: 2000 }, true],
    ['faster at batch 1', { latency: latency(1.5, 12), fileBytes: 2000 }, false],
    ['faster at batch 8', { latency: latency(3, 8), fileBytes: 2000 }, false],
    ['faster within the noise', { latency: latency(1.95, 9.8), fileBytes: 2000 }, true],
    ['smaller', { fileBytes: 999, latency: latency(9, 99) }, false],
    ['more accurate', { accuracy: 98.1, latency: latency(9, 99) }, false],
    ['loaded faster', { loadMs: 5, latency: latency(9, 99) }, false],
    ['loaded faster within the noise', { loadMs: 9.8 }, true],
    ['lighter in memory', { memoryBytes: 4000, fileBytes: 2000 }, false],
    ['on other hardware', { hardware: 'cuda', latency: latency(9, 99) }, false],
    ['measured in another way', { accuracyKind: 'agreement', accuracy: 50 }, false],
    ['bound to a machine type', { machine: 'm' }, true],
    ['able to run a batch that the other cannot', { latency: [{ batch: 64, ms: 99 }] }, false],
    ['able to run fewer batches', { latency: [{ batch: 1, ms: 2 }] }, true],
  ];

  for (const [what, fields, expected] of table) {
    it(`${expected ? 'drops' : 'keeps'} what is ${what}`, () => {
      const candidate = { ...source, id: 'candidate', ...fields };
      expect(isDominated(candidate, [source])).to.equal(expected);
    });
  }

  it('does not let what one machine type alone can run push out what runs anywhere', () => {
    const bound = { ...source, id: 'bound', machine: 'm' };
    expect(isDominated({ ...source, id: 'candidate', accuracy: 90 }, [bound])).to.equal(false);
    const other = { ...source, id: 'candidate', machine: 'n' };
    expect(isDominated(other, [bound])).to.equal(false);
    expect(isDominated({ ...other, machine: 'm' }, [bound])).to.equal(true);
  });

  it('names the first that dominates, and the figures', () => {
    const candidate = { ...source, id: 'candidate', accuracy: 97.5, fileBytes: 1234 };
    const found = dominanceOf(candidate, [
      { ...source, accuracy: 1 },
      { ...source, id: 'second' },
    ]);
    expect(found?.by).to.equal('second');
    expect(found?.reason).to.match(/second .* 97\.5 % against 98, 1234 bytes against 1000/);
  });

  it('never drops a candidate for itself', () => {
    expect(isDominated(source, [source])).to.equal(false);
  });

  it('always keeps the best of every respect, judged one after another', () => {
    const figure = fc.integer({ min: 1, max: 5 });
    const contenders = fc.array(
      fc.record({ accuracy: figure, fileBytes: figure, loadMs: figure, ms: figure }),
      { minLength: 1, maxLength: 12 },
    );
    fc.assert(
      fc.property(contenders, (figures) => {
        const kept: Contender[] = [];
        const all = figures.map(({ ms, ...rest }, at): Contender => {
          return { ...source, ...rest, id: `${at}`, latency: [{ batch: 1, ms }] };
        });
        for (const each of all) if (!isDominated(each, kept)) kept.push(each);
        expect(kept).to.have.length.above(0);
        for (const respect of ['accuracy', 'fileBytes'] as const) {
          const best = (of: readonly Contender[]): number =>
            Math.max(...of.map((each) => (respect === 'accuracy' ? 1 : -1) * each[respect]));
          expect(best(kept)).to.equal(best(all));
        }
      }),
    );
  });
});
