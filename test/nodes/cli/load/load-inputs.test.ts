/** Random inputs by signature, and batches taken apart. */

import { expect } from 'chai';

import type { TensorDescription } from '../../../../actors/domain/fleet-description.ts';
import { checkInputs, createInputChecker } from '../../../../actors/domain/signature.ts';
import { poolSize, randomInputs, rowsOf } from '../../../../nodes/cli/load/load-inputs.ts';
import { seededRandom } from '../../../../runtime/random.ts';
import { datatypes, tensorOf } from '../../../../runtime/wire/tensors.ts';

const image: TensorDescription = {
  ...{ name: 'image', datatype: 'FP32', shape: [-1, 2], shared: false },
};
const rate: TensorDescription = { name: 'rate', datatype: 'INT64', shape: [], shared: true };
const state: TensorDescription = {
  ...{ name: 'state', datatype: 'FP32', shape: [2, -1, 1], shared: false, state: 'next' },
};

describe('randomInputs', () => {
  for (const datatype of datatypes) {
    it(`fits a signature of ${datatype}`, () => {
      const input = { name: 'x', datatype, shape: [-1, 3], shared: false };
      const spec = { datatype, shape: ['batch', 3] };
      const checker = createInputChecker({ inputs: { x: spec }, outputs: {} });
      const pool = randomInputs([input], seededRandom(1));
      expect(pool).to.have.length(poolSize);
      for (const inputs of pool) expect(checkInputs(checker, inputs)).to.include({ ok: true });
    });
  }

  it('shares what is shared, varies the rest, and leaves state out', () => {
    const [first, second] = randomInputs([image, rate, state], seededRandom(1));
    expect(first).to.have.all.keys('image', 'rate');
    expect(first?.['rate']).to.equal(second?.['rate']);
    expect(first?.['image']).to.not.deep.equal(second?.['image']);
  });
});

describe('rowsOf', () => {
  const batch = tensorOf('FP32', [3, 2], Float32Array.of(1, 2, 3, 4, 5, 6));
  const shared = tensorOf('INT64', [], BigInt64Array.of(8n));

  it('makes a query of each row, shared inputs in all', () => {
    const rows = rowsOf({ image: batch, rate: shared }, [image, rate]);
    expect(rows).to.have.length(3);
    expect(rows[1]?.['image']).to.deep.equal(tensorOf('FP32', [1, 2], Float32Array.of(3, 4)));
    expect(rows[1]?.['rate']).to.equal(shared);
  });

  it('leaves one row, and streams with state, as they are', () => {
    const one = { image: tensorOf('FP32', [1, 2], Float32Array.of(1, 2)) };
    expect(rowsOf(one, [image])).to.deep.equal([one]);
    const carried = { image: batch, state: tensorOf('FP32', [2, 3, 1], new Float32Array(6)) };
    expect(rowsOf(carried, [image, state])).to.deep.equal([carried]);
  });
});
