/** Signatures: which inputs fit, which queries may share a batch, which variants fit a task. */

import { expect } from 'chai';
import fc from 'fast-check';

import {
  checkInputs,
  createInputChecker,
  formatSpec,
  type InputCheck,
  type Signature,
  signatureMismatch,
  taskSignatureOf,
} from '../../../actors/domain/signature.ts';
import { type NamedTensors, packStrings, tensorOf } from '../../../runtime/wire/tensors.ts';
import {
  floats,
  pairs,
  pairSignature,
  sharedSignature,
  statefulSignature,
} from '../../support/variants.ts';

function check(signature: Signature, inputs: NamedTensors): InputCheck {
  return checkInputs(createInputChecker(signature), inputs);
}

function keyOf(signature: Signature, inputs: NamedTensors): string | undefined {
  const checked = check(signature, inputs);
  if (!checked.ok) throw new Error(checked.error.message);
  return checked.batchKey;
}

function rate(hertz: number): NamedTensors {
  return { rate: tensorOf('INT64', [], BigInt64Array.of(BigInt(hertz))) };
}

describe('checking inputs', () => {
  it('accepts what fits and reads the size of the client’s batch', () => {
    expect(check(pairSignature, pairs(3))).to.include({ ok: true, batch: 3, batchKey: '' });
  });

  const texts: Signature = {
    inputs: { text: { datatype: 'BYTES', shape: ['batch'] } },
    outputs: {},
  };
  const [x, x3] = [floats([1, 2], 1, 2), floats([3, 2], 1, 2, 3, 4, 5, 6)];
  const refusals: readonly (readonly [string, Signature, NamedTensors, string, RegExp])[] = [
    ['a missing input', pairSignature, {}, 'x', /missing/],
    ['an input that there is not', pairSignature, { x, z: x }, 'z', /no such input/],
    ['a name of Object’s', pairSignature, { x, constructor: x }, 'constructor', /no such input/],
    ['another datatype', pairSignature, { x: { ...x, datatype: 'INT32' } }, 'x', /INT32/],
    ['another number of dimensions', pairSignature, { x: floats([2], 1, 2) }, 'x', /1 dimensions/],
    ['another size of a fixed dimension', pairSignature, { x: floats([2, 1], 1, 2) }, 'x', /2, 1/],
    ['an empty batch', pairSignature, { x: floats([0, 2]) }, 'x', /0, 2/],
    ['fewer bytes than its shape needs', pairSignature, { x: floats([2, 2], 1, 2) }, 'x', /16/],
    ['batches that differ', statefulSignature, { x: x3, h: floats([1, 3], 1, 2, 3) }, 'h', /batch/],
    [
      'strings whose lengths disagree with their bytes',
      texts,
      { text: { datatype: 'BYTES', shape: [1], data: Uint8Array.of(9, 0, 0, 0, 1) } },
      'text',
      /lengths/,
    ],
    [
      'fewer strings than its shape needs',
      texts,
      { text: { datatype: 'BYTES', shape: [2], data: packStrings([Uint8Array.of(1)]) } },
      'text',
      /2 elements/,
    ],
  ];
  for (const [what, signature, inputs, input, message] of refusals) {
    it(`refuses ${what}, naming the input`, () => {
      const checked = check(signature, inputs);
      if (checked.ok) throw new Error('it was accepted');
      expect(checked.error.code).to.equal('bad_input');
      expect(checked.error.details).to.have.property('input', input);
      expect(checked.error.message).to.match(message);
    });
  }

  it('accepts a query with and without its state', () => {
    expect(check(statefulSignature, pairs())).to.include({ ok: true });
    const carried = { ...pairs(), h: floats([1, 3], 1, 2, 3) };
    expect(check(statefulSignature, carried)).to.include({ ok: true });
  });

  it('takes a tensor exactly when its shape and its bytes are those of the signature', () => {
    const size = fc.integer({ min: 0, max: 4 });
    fc.assert(
      fc.property(size, size, fc.integer({ min: 0, max: 80 }), (batch, width, bytes) => {
        const x = { datatype: 'FP32' as const, shape: [batch, width], data: new Uint8Array(bytes) };
        const fits = batch >= 1 && width === 2 && bytes === batch * width * 4;
        expect(check(pairSignature, { x }).ok).to.equal(fits);
      }),
    );
  });
});

describe('the key under which queries share a batch', () => {
  const free: Signature = {
    inputs: { audio: { datatype: 'FP32', shape: ['batch', 'samples'] } },
    outputs: {},
  };

  it('is the same for equal shared inputs and differs for others', () => {
    const [slow, again, fast] = [8_000, 8_000, 16_000].map((hertz) =>
      keyOf(sharedSignature, { ...pairs(), ...rate(hertz) }),
    );
    expect(again).to.equal(slow);
    expect(fast).to.not.equal(slow);
  });

  it('does not depend on the order in which the client names its inputs', () => {
    const one = keyOf(sharedSignature, { ...pairs(), ...rate(8_000) });
    expect(keyOf(sharedSignature, { ...rate(8_000), ...pairs() })).to.equal(one);
  });

  it('does not depend on the client’s batch, but on every free dimension', () => {
    const short = keyOf(free, { audio: floats([1, 2], 1, 2) });
    expect(keyOf(free, { audio: floats([2, 2], 1, 2, 3, 4) })).to.equal(short);
    expect(keyOf(free, { audio: floats([1, 3], 1, 2, 3) })).to.not.equal(short);
  });

  it('is none where the inputs without a batch axis are too large to compare', () => {
    const whole: Signature = {
      inputs: { image: { datatype: 'UINT8', shape: [8, 16] } },
      outputs: {},
    };
    expect(keyOf(whole, { image: tensorOf('UINT8', [8, 16], new Uint8Array(128)) })).to.equal(
      undefined,
    );
  });
});

describe('signatures of a task and its variants', () => {
  it('share everything but carried state', () => {
    expect(taskSignatureOf(statefulSignature)).to.deep.equal(pairSignature);
    expect(signatureMismatch(pairSignature, taskSignatureOf(statefulSignature))).to.equal(
      undefined,
    );
  });

  const wider: Signature = {
    ...pairSignature,
    inputs: { x: { datatype: 'FP32', shape: ['batch', 3] } },
  };
  const mismatches: readonly (readonly [string, Signature, RegExp])[] = [
    ['an input more', sharedSignature, /inputs "rate" is not in the task/],
    ['an output less', { ...pairSignature, outputs: {} }, /outputs "y" of the task is missing/],
    ['another shape', wider, /inputs "x" is FP32 \[batch, 3\], the task has FP32 \[batch, 2\]/],
  ];
  for (const [what, offered, message] of mismatches) {
    it(`differ by ${what}, and say so`, () => {
      expect(signatureMismatch(pairSignature, offered)).to.match(message);
    });
  }

  it('print shared inputs as such', () => {
    expect(formatSpec(sharedSignature.inputs['rate']!)).to.equal('INT64 [] shared');
  });
});
