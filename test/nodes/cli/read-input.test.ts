/** What `--input` makes of files: JSON, .npy and PNG, for one input or several. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect } from 'chai';
import { PNG } from 'pngjs';

import type { TensorDescription } from '../../../actors/domain/fleet-description.ts';
import { fitShape } from '../../../nodes/cli/fit-shape.ts';
import { readInputs } from '../../../nodes/cli/read-input.ts';
import { elementsOf } from '../../../runtime/wire/tensor-elements.ts';
import { bytesOf, type Tensor } from '../../../runtime/wire/tensors.ts';
import { npyFile } from './npy-file.ts';

const image: TensorDescription = {
  name: 'image',
  datatype: 'FP32',
  shape: [-1, 1, 2, 2],
  shared: false,
};
const audio: TensorDescription = { name: 'audio', datatype: 'FP32', shape: [-1, 3], shared: false };
const rate: TensorDescription = { name: 'rate', datatype: 'INT64', shape: [], shared: true };
const state: TensorDescription = {
  name: 'state',
  datatype: 'FP32',
  shape: [2, -1, 1],
  shared: false,
  state: 'stateNext',
};

describe('fitShape', () => {
  const cases: readonly (readonly [number[], number[], number[] | undefined])[] = [
    [
      [2, 2],
      [-1, 1, 2, 2],
      [1, 1, 2, 2],
    ],
    [
      [5, 2, 2],
      [-1, 1, 2, 2],
      [5, 1, 2, 2],
    ],
    [
      [1, 2, 2],
      [-1, 1, 2, 2],
      [1, 1, 2, 2],
    ],
    [
      [5, 1, 2, 2],
      [-1, 1, 2, 2],
      [5, 1, 2, 2],
    ],
    [[4], [-1, 1, 2, 2], [1, 1, 2, 2]],
    [
      [5, 4],
      [-1, 1, 2, 2],
      [5, 1, 2, 2],
    ],
    [[3], [-1, 3], [1, 3]],
    [[], [], []],
    [[1], [], []],
    [
      [2, 1],
      [2, -1, 1],
      [2, 1, 1],
    ],
    [[3, 3], [-1, 1, 2, 2], undefined],
    [[2, 2], [2, 3], undefined],
    [[2], [], undefined],
    [[0, 2, 2], [-1, 1, 2, 2], undefined],
  ];
  for (const [have, wanted, fitted] of cases) {
    const outcome = fitted === undefined ? 'not at all' : `as [${fitted.join(', ')}]`;
    it(`fits [${have.join(', ')}] into [${wanted.join(', ')}] ${outcome}`, () => {
      expect(fitShape(have, wanted)).to.deep.equal(fitted);
    });
  }
});

describe('readInputs', () => {
  let folder: string;

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'infaas-inputs-'));
  });

  after(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  function file(name: string, content: Uint8Array | object): string {
    const path = join(folder, name);
    writeFileSync(path, content instanceof Uint8Array ? content : JSON.stringify(content));
    return path;
  }

  function read(path: string, signature: readonly TensorDescription[]): Record<string, Tensor> {
    return { ...readInputs([path], signature).inputs };
  }

  it('takes a map of tensors as it is', () => {
    const written = { image: { datatype: 'FP32', shape: [1, 1, 2, 2], data: [1, 2, 3, 4] } };
    const tensor = read(file('map.json', written), [image])['image'];
    expect(tensor?.shape).to.deep.equal([1, 1, 2, 2]);
    expect(elementsOf(tensor!)).to.deep.equal([1, 2, 3, 4]);
  });

  it('takes nested arrays by name, in the datatypes asked', () => {
    const inputs = read(file('two.json', { audio: [[1, 2, 3]], rate: 16_000 }), [audio, rate]);
    expect(inputs['audio']).to.deep.include({ datatype: 'FP32', shape: [1, 3] });
    expect(inputs['rate']).to.deep.include({ datatype: 'INT64', shape: [] });
    expect(elementsOf(inputs['rate']!)).to.deep.equal([16_000]);
  });

  it('takes a bare array for the only input, carried state aside', () => {
    const inputs = read(file('bare.json', [1, 2, 3]), [audio, state]);
    expect(inputs).to.have.all.keys('audio');
    expect(inputs['audio']?.shape).to.deep.equal([1, 3]);
  });

  it('makes pixels of bytes where floats are asked', () => {
    const path = file('pixels.npy', npyFile('|u1', [1, 2, 2], Uint8Array.of(0, 51, 102, 255)));
    const { inputs, notes } = readInputs([path], [image]);
    const tensor = inputs['image']!;
    expect(tensor.shape).to.deep.equal([1, 1, 2, 2]);
    expect(elementsOf(tensor).map((value) => Number(value).toFixed(3))).to.deep.equal([
      '0.000',
      '0.200',
      '0.400',
      '1.000',
    ]);
    expect(notes.join()).to.contain('0..1');
  });

  it('does not scale what is no image, and says that it converted', () => {
    const path = file('sound.npy', npyFile('<i2', [3], bytesOf(Int16Array.of(1, -2, 300))));
    const { inputs, notes } = readInputs([path], [audio]);
    expect(elementsOf(inputs['audio']!)).to.deep.equal([1, -2, 300]);
    expect(notes.join()).to.contain('unscaled');
  });

  it('averages a PNG down to the size asked, in grey', () => {
    const png = new PNG({ width: 4, height: 4 });
    for (let at = 0; at < 16; at += 1) {
      const white = at % 4 < 2 ? 255 : 0;
      png.data.set([white, white, white, 255], at * 4);
    }
    const tensor = read(file('half.png', PNG.sync.write(png)), [image])['image']!;
    expect(tensor.shape).to.deep.equal([1, 1, 2, 2]);
    expect(elementsOf(tensor)).to.deep.equal([1, 0, 1, 0]);
  });

  it('keeps three channels where they are asked', () => {
    const png = new PNG({ width: 1, height: 1 });
    png.data.set([255, 0, 51, 255]);
    const path = file('colour.png', PNG.sync.write(png));
    const input = { ...image, datatype: 'UINT8' as const, shape: [-1, 3, 1, 1] };
    expect(elementsOf(read(path, [input])['image']!)).to.deep.equal([255, 0, 51]);
  });

  it('puts NAME=FILE together', () => {
    const sound = file('sound.json', [1, 2, 3]);
    const sampling = file('rate.json', [16_000]);
    const given = [`audio=${sound}`, `rate=${sampling}`];
    const { inputs } = readInputs(given, [audio, rate]);
    expect(inputs).to.have.all.keys('audio', 'rate');
    expect(inputs['rate']?.shape).to.deep.equal([]);
  });

  it('finds a file whose name has an equals sign', () => {
    const path = file('a=b.json', [1, 2, 3]);
    expect(read(path, [audio])).to.have.all.keys('audio');
  });

  describe('refuses, naming file and reason,', () => {
    const refused: readonly (readonly [
      string,
      string,
      Uint8Array | object,
      readonly TensorDescription[],
      RegExp,
    ])[] = [
      ['an unknown input', 'u.json', { imag: [[1]] }, [image], /"imag"; did you mean "image"\?/],
      ['an array for one of many', 'm.json', [1, 2, 3], [audio, rate], /--input NAME=FILE/],
      ['a shape that does not fit', 's.json', [1, 2], [audio], /FP32 \[2\] does not fit/],
      ['ragged rows', 'r.json', { audio: [[1, 2, 3], [1]] }, [audio], /input "audio"/],
      ['text for numbers', 't.json', { audio: [['a', 2, 3]] }, [audio], /a finite number/],
      ['what is no input at all', 'n.json', Buffer.from('hello'), [audio], /neither JSON/],
      ['numbers too large for the datatype', 'o.json', { rate: 1.5 }, [rate], /an integer/],
      [
        'a PNG that is broken',
        'b.png',
        Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 1, 2),
        [image],
        /not a PNG image/,
      ],
    ];
    for (const [what, name, content, signature, message] of refused) {
      it(what, () => {
        const path = file(name, content);
        expect(() => readInputs([path], signature))
          .to.throw(message)
          .with.property('message')
          .that.contains(name);
      });
    }

    it('a file that is not there', () => {
      expect(() => readInputs([join(folder, 'none.json')], [audio])).to.throw(/cannot read/);
    });
  });
});
