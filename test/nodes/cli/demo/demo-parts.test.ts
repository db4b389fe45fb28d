/** What the demo is made of: the SLOs it asks, the digits it draws, how it sums up. */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect } from 'chai';
import { PNG } from 'pngjs';

import type {
  TensorDescription,
  VariantDescription,
} from '../../../../actors/domain/fleet-description.ts';
import { digitsFrom, heldOutDigits, labelOf } from '../../../../nodes/cli/demo/digits.ts';
import { drawDigit, sideBySide } from '../../../../nodes/cli/demo/draw-digit.ts';
import { audioFrame, readSpeech } from '../../../../nodes/cli/demo/ask-speech.ts';
import { planSlos } from '../../../../nodes/cli/demo/slo-plan.ts';
import { typedArrayOf } from '../../../../runtime/wire/tensors.ts';

const image: TensorDescription = {
  ...{ name: 'image', datatype: 'FP32', shape: [-1, 1, 28, 28], shared: false },
};

function variants(...given: readonly (readonly [accuracy: number, ms: number])[]) {
  return given.map(
    ([accuracy, ms]) =>
      ({ accuracy, latencyMs: [{ batch: 1, ms }] }) as unknown as VariantDescription,
  );
}

describe('planSlos', () => {
  it('asks for floors that people know, up to the best that is registered', () => {
    const plan = planSlos(variants([91, 0.1], [96.6, 0.1], [98.9, 0.1], [99.25, 1], [99.5, 1]));
    expect(plan.map(({ slo }) => slo.accuracyMin)).to.deep.equal([undefined, 95, 98, 99, 99.5]);
    expect(plan.every(({ slo }) => (slo.latencyMs ?? 0) >= 20)).to.equal(true);
  });

  it('never asks for more than is registered', () => {
    const plan = planSlos(variants([80, 1], [90, 1], [94, 1]));
    expect(plan.map(({ slo }) => slo.accuracyMin)).to.deep.equal([undefined, 80, 90, 94]);
  });

  it('gives slow models the time they take', () => {
    const plan = planSlos(variants([90, 300], [96, 100]));
    expect(plan[0]?.slo.latencyMs).to.equal(410);
    expect(planSlos([])).to.deep.equal([]);
  });
});

describe('the digits of the demo', () => {
  it('are drawn by the seed alone', () => {
    const labels = (seed: number): number[] =>
      heldOutDigits(image, seed)
        .slice(0, 50)
        .map(({ label }) => label);
    expect(labels(1)).to.deep.equal(labels(1));
    expect(labels(1)).to.not.deep.equal(labels(2));
  });

  it('are all held-out digits, as the models take them', () => {
    const digits = heldOutDigits(image, 1);
    expect(digits).to.have.length(2_000);
    expect(digits[0]?.image).to.deep.include({ datatype: 'FP32', shape: [1, 1, 28, 28] });
    const most = Math.max(...(typedArrayOf(digits[0]!.image) as Float32Array));
    expect(most).to.be.within(0.5, 1);
  });

  for (const [file, label] of [
    ['d/7/abc.png', 7],
    ['d/x_3.png', 3],
    ['d/5.png', 5],
    ['d/img-12-4.PNG', 4],
    ['d/img12.png', undefined],
    ['d/abc.png', undefined],
  ] as const) {
    it(`have the label ${String(label)} in ${file}`, () => {
      expect(labelOf(file)).to.equal(label);
    });
  }

  describe('from a folder', () => {
    let folder: string;

    beforeEach(() => {
      folder = mkdtempSync(join(tmpdir(), 'infaas-digits-'));
    });

    afterEach(() => {
      rmSync(folder, { recursive: true, force: true });
    });

    it('are found in it and in folders by label', () => {
      const content = PNG.sync.write(new PNG({ width: 28, height: 28 }));
      mkdirSync(join(folder, '7'));
      writeFileSync(join(folder, '7', 'a.png'), content);
      writeFileSync(join(folder, 'b_2.png'), content);
      writeFileSync(join(folder, 'readme.txt'), 'no digit');
      const digits = digitsFrom(folder, image, 1);
      expect(digits.map(({ label }) => label).sort()).to.deep.equal([2, 7]);
      expect(digits[0]?.image.shape).to.deep.equal([1, 1, 28, 28]);
    });

    it('are missed with a word on how to name them', () => {
      writeFileSync(join(folder, 'a.png'), PNG.sync.write(new PNG({ width: 1, height: 1 })));
      expect(() => digitsFrom(folder, image, 1)).to.throw(/no label.*a_7\.png/);
      expect(() => digitsFrom(join(folder, 'none'), image, 1)).to.throw(/ENOENT/);
    });
  });
});

describe('drawDigit', () => {
  it('is 14 columns by 7 lines of a digit', () => {
    const lines = drawDigit(heldOutDigits(image, 1)[0]!.image);
    expect(lines).to.have.length(7);
    expect(new Set(lines.map((line) => line.length))).to.deep.equal(new Set([14]));
    expect(lines.join('')).to.match(/[█▀▄]/);
  });

  it('stands next to others, captions below', () => {
    const block = (line: string) => ({ lines: [line, line], captions: ['caption'] });
    expect(sideBySide([block('##'), block('#')]).split('\n')).to.deep.equal([
      '##        #',
      '##        #',
      'caption   caption',
    ]);
  });
});

describe('audioFrame', () => {
  it('is 512 samples behind the 64 before, silence before the first', () => {
    const samples = Float32Array.from({ length: 2_048 }, (_, at) => at + 1);
    const first = typedArrayOf(audioFrame(samples, 0)) as Float32Array;
    const second = typedArrayOf(audioFrame(samples, 1)) as Float32Array;
    expect(first).to.have.length(576);
    expect([first[63], first[64], first[575]]).to.deep.equal([0, 1, 512]);
    expect([second[0], second[575]]).to.deep.equal([449, 1_024]);
  });

  it('is made of the bundled speech', () => {
    const samples = readSpeech();
    expect(samples.length % 512).to.equal(0);
    expect(samples.every((sample) => Math.abs(sample) <= 1)).to.equal(true);
  });
});
