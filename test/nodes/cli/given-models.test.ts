/** Models given to `up`: which are served at once, which are registered, and what is wrong. */

import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect } from 'chai';

import { UsageError } from '../../../nodes/cli/errors.ts';
import { type GivenModels, sortModels } from '../../../nodes/cli/given-models.ts';
import { modelFilesOf } from '../../../nodes/cli/model-files.ts';
import { packageRoot } from '../../../nodes/package-root.ts';

const digits = join(packageRoot(), 'zoo/digit-classification');
const flags = { task: 't', dataset: 'd', architecture: 'ours' };

describe('models given to a system at its start', () => {
  let folder = '';
  const file = (name: string): string => join(folder, name);
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'infaas-given-'));
    copyFileSync(join(digits, 'linear.onnx'), file('linear.onnx'));
    writeFileSync(file('held-out.jsonl'), '');
    writeFileSync(file('short.yaml'), 'task: t\ndataset: d\narchitecture: a\nfile: linear.onnx\n');
  });
  after(() => {
    rmSync(folder, { recursive: true, force: true });
  });
  const registered = ({ toRegister }: GivenModels): string[] => toRegister.map(({ path }) => path);

  it('are served at once where the manifest says everything, else registered', () => {
    const whole = join(digits, 'linear-fp32.yaml');
    const given = sortModels([whole, file('short.yaml')], {});
    expect(given.readyMade).to.deep.equal([whole]);
    expect(registered(given)).to.deep.equal([file('short.yaml')]);
  });

  it('are registered from an ONNX file by flags', () => {
    const given = sortModels([file('linear.onnx')], flags);
    expect(given.toRegister[0]?.manifest).to.deep.equal({ ...flags, file: 'linear.onnx' });
    expect(given.readyMade).to.deep.equal([]);
  });

  const wrong: readonly (readonly [string, () => unknown, RegExp])[] = [
    [
      'an ONNX file without flags',
      () => sortModels([file('linear.onnx')], {}),
      /comes with --task/,
    ],
    ['flags without an ONNX file', () => sortModels([], flags), /--task goes with one --model/],
    [
      'flags for two ONNX files',
      () => sortModels([file('linear.onnx'), file('linear.onnx')], flags),
      /goes with one --model FILE.onnx/,
    ],
    [
      'a metric without examples',
      () => modelFilesOf(file('linear.onnx'), { ...flags, metric: 'top1' }),
      /--metric says how --validation is judged/,
    ],
  ];
  for (const [what, sort, message] of wrong) {
    it(`are refused: ${what}`, () => {
      expect(sort).to.throw(UsageError, message);
    });
  }

  it('say how their examples are judged', () => {
    const validation = file('held-out.jsonl');
    const given = { ...flags, validation, metric: 'within', output: 'logits' } as const;
    expect(modelFilesOf(file('linear.onnx'), given).manifest.validation).to.deep.equal({
      ...{ file: 'validation.jsonl', output: 'logits' },
      metric: { kind: 'within', tolerance: 0.01 },
    });
  });
});
