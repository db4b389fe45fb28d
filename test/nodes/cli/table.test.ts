/** Tables and numbers as people see them. */

import { expect } from 'chai';

import {
  formatBytes,
  formatMs,
  formatPercent,
  formatRange,
  formatUsd,
} from '../../../nodes/cli/format.ts';
import { describeOutputs } from '../../../nodes/cli/outputs-text.ts';
import { formatTable } from '../../../nodes/cli/table.ts';
import { tensorOf } from '../../../runtime/wire/tensors.ts';

describe('formatTable', () => {
  const columns = [{ title: 'NAME' }, { title: 'MS', align: 'right' as const }];

  it('aligns columns by their widest cell, without trailing spaces', () => {
    expect(
      formatTable(columns, [
        ['a', '1.5'],
        ['long name', '20'],
      ]).split('\n'),
    ).to.deep.equal(['NAME        MS', 'a          1.5', 'long name   20']);
  });

  it('counts characters, not UTF-16 units', () => {
    const lines = formatTable(columns, [['≥ 𝟗', '1']]).split('\n');
    expect(lines[1]).to.equal('≥ 𝟗    1');
  });

  it('has a header without rows, and no colours unless asked', () => {
    expect(formatTable(columns, [])).to.equal('NAME  MS');
    expect(formatTable(columns, [], { colours: true })).to.contain('\u001b[1m');
  });
});

describe('numbers', () => {
  it('have about three digits', () => {
    expect([0.0451, 1.666, 15.34, 133.2].map(formatMs)).to.deep.equal([
      '0.045',
      '1.67',
      '15.3',
      '133',
    ]);
    expect([512, 917_504, 5 * 2 ** 30].map(formatBytes)).to.deep.equal([
      '512 B',
      '896 KiB',
      '5.0 GiB',
    ]);
    expect(formatPercent(98.9)).to.equal('98.9');
    expect(formatRange(91.35, 99.5)).to.equal('91.35–99.5');
    expect(formatUsd(0)).to.equal('0');
  });
});

describe('describeOutputs', () => {
  it('names the largest of a row of scores', () => {
    const logits = tensorOf('FP32', [1, 4], Float32Array.of(0.5, -1, 9, 2));
    expect(describeOutputs({ logits })).to.deep.equal([
      'logits FP32 [1, 4]: 2 (9), then 3 (2), 0 (0.5)',
    ]);
  });

  it('shows a few rows of a batch', () => {
    const logits = tensorOf('FP32', [7, 3], new Float32Array(21));
    const lines = describeOutputs({ logits });
    expect(lines).to.have.length(7);
    expect(lines.at(-1)).to.contain('2 more rows');
  });

  it('shows values of what are no scores', () => {
    const speech = tensorOf('FP32', [1, 1], Float32Array.of(0.25));
    const ids = tensorOf(
      'INT64',
      [10],
      BigInt64Array.from({ length: 10 }, (_, at) => BigInt(at)),
    );
    expect(describeOutputs({ speech, ids })).to.deep.equal([
      'speech FP32 [1, 1]: 0.25',
      'ids INT64 [10]: 0, 1, 2, 3, 4, 5, 6, 7, …',
    ]);
  });
});
