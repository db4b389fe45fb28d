/**
 * The engine on real ONNX Runtime: what batches compute, what files are taken, what is given back.
 */

import { readFileSync, writeFileSync } from 'node:fs';

import { expect } from 'chai';

import type { EngineQuery } from '../../actors/instance/engine-port.ts';
import type { Variant } from '../../actors/domain/variant.ts';
import {
  bytesPerElement,
  type Datatype,
  datatypes,
  type NamedTensors,
  packStrings,
  tensorOf,
  typedArrayOf,
} from '../../runtime/wire/tensors.ts';
import {
  identity,
  int64Query,
  linear,
  lookUp,
  looping,
  recurrent,
  VariantFolder,
  wide,
} from '../fixtures/engine-variants.ts';
import { createEngineDriver, type DrivenInstance, type EngineDriver } from './engine-driver.ts';

const numbers = (result: NamedTensors | undefined, name: string): number[] => {
  const tensor = result?.[name];
  return tensor === undefined
    ? expect.fail(`no ${name}`)
    : Array.from(typedArrayOf(tensor), Number);
};

function rows(...values: readonly (readonly number[])[]): EngineQuery {
  const x = tensorOf('FP32', [values.length, 4], Float32Array.from(values.flat()));
  return { inputs: { x }, batch: values.length, outputs: undefined };
}

/** What `linear` computes, by hand. */
function linearByHand(x: readonly number[]): number[] {
  const bias = [0.1, -0.2, 0.3];
  const logits = bias.map((b, column) =>
    x.reduce((sum, value, row) => sum + value * Math.sin(row * 3 + column), b),
  );
  const powers = logits.map(Math.exp);
  const total = powers.reduce((sum, power) => sum + power, 0);
  return powers.map((power) => power / total);
}

function close(actual: readonly number[], wanted: readonly number[]): void {
  expect(actual.length).to.equal(wanted.length);
  actual.forEach((value, index) => expect(value).to.be.closeTo(wanted[index] ?? NaN, 1e-5));
}

describe('the ONNX engine', function () {
  this.timeout(60_000);
  const folder = new VariantFolder();
  let driver: EngineDriver;
  before(() => {
    driver = createEngineDriver();
  });
  after(async () => {
    const pids = driver.engine.pids();
    await driver.close();
    expect(pids.length).to.equal(1);
    expect(driver.engine.pids()).to.deep.equal([]);
    folder.remove();
  });

  it('computes a joined batch as it computes each query alone', async () => {
    const instance = await driver.loaded(linear(folder));
    const inputs = [
      [1, 2, 3, 4],
      [-1, 0.5, 0, 2],
      [0, 0, 0, 0],
      [9, -8, 7, -6],
    ] as const;
    const [a, b, c, d] = inputs;
    const joined = await instance.run([rows(a), rows(b, c), rows(d)]);
    expect(joined.map((result) => result['y']?.shape)).to.deep.equal([
      [1, 3],
      [2, 3],
      [1, 3],
    ]);
    close(
      joined.flatMap((result) => numbers(result, 'y')),
      inputs.flatMap((x) => linearByHand(x)),
    );
    const [alone] = await instance.run([rows(d)]);
    close(numbers(alone, 'y'), linearByHand(d));
    await instance.unload();
  });

  it('carries state along the second axis and shares a scalar', async () => {
    const instance = await driver.loaded(recurrent(folder));
    const rate = tensorOf('INT64', [], BigInt64Array.of(2n));
    const ask = (samples: readonly number[], h?: NamedTensors[string]): EngineQuery => ({
      inputs: {
        x: tensorOf('FP32', [1, 5], Float32Array.from(samples)),
        gain: tensorOf('FP32', [1, 1], Float32Array.of(7)),
        rate,
        ...(h === undefined ? {} : { h }),
      },
      batch: 1,
      outputs: undefined,
    });
    const first = await instance.run([ask([9, 9, 1, 2, 3]), ask([9, 9, 10, 20, 30])]);
    expect(first.map((result) => numbers(result, 'hNext'))).to.deep.equal([
      [2, 4, 6, 2, 4, 6],
      [20, 40, 60, 20, 40, 60],
    ]);
    expect(first.map((result) => numbers(result, 'y'))).to.deep.equal([
      [4, 8, 12],
      [40, 80, 120],
    ]);
    const second = await instance.run([
      ask([0, 0, 1, 1, 1], first[1]?.['hNext']),
      ask([0, 0, 1, 1, 1]),
      ask([0, 0, 0, 0, 0], first[0]?.['hNext']),
    ]);
    expect(second.map((result) => numbers(result, 'hNext'))).to.deep.equal([
      [22, 42, 62, 22, 42, 62],
      [2, 2, 2, 2, 2, 2],
      [2, 4, 6, 2, 4, 6],
    ]);
    const only = await instance.run([{ ...ask([0, 0, 1, 1, 1]), outputs: ['y'] }]);
    expect(Object.keys(only[0] ?? {})).to.deep.equal(['y']);
    await instance.unload();
  });

  for (const datatype of datatypes) {
    it(`takes and gives ${datatype}`, async () => {
      const instance = await driver.loaded(identity(folder, datatype));
      const queries = [identityQuery(datatype, 1), identityQuery(datatype, 2)];
      const results = await instance.run(queries);
      queries.forEach(({ inputs }, index) => {
        const [sent, got] = [inputs['x'], results[index]?.['y']];
        expect(got?.shape).to.deep.equal(sent?.shape);
        expect(got?.datatype).to.equal(datatype);
        expect([...(got?.data ?? [])]).to.deep.equal([...(sent?.data ?? [1])]);
      });
      await instance.unload();
    });
  }

  it('moves tensors larger than a socket takes at once', async () => {
    const instance = await driver.loaded(wide(folder));
    const count = 300_000;
    const x = Float32Array.from({ length: count }, (_, index) => index);
    const queries = [1, 2].map((factor): EngineQuery => {
      const scaled = tensorOf(
        'FP32',
        [1, count],
        x.map((value) => value * factor),
      );
      return { inputs: { x: scaled }, batch: 1, outputs: undefined };
    });
    const results = await instance.run(queries);
    results.forEach((result, index) => {
      const y = numbers(result, 'y');
      expect([y.length, y[0], y[1], y[count - 1]]).to.deep.equal([
        count,
        1,
        2 + index,
        (count - 1) * (index + 1) + 1,
      ]);
    });
    await instance.unload();
  });

  it('fails a batch that ONNX Runtime refuses and goes on with the next', async () => {
    const instance = await driver.loaded(lookUp(folder));
    instance.send([int64Query(7n)]);
    const failed = await instance.next('instance.batch-failed');
    expect(failed.batchId).to.equal(1);
    expect(failed.message).to.match(/indices.*out of/i);
    const [good] = await instance.run([int64Query(2n)]);
    expect(numbers(good, 'y')).to.deep.equal([30]);
    await instance.unload();
  });

  it('refuses strings that ONNX Runtime would change', async () => {
    const instance = await driver.loaded(identity(folder, 'BYTES'));
    for (const bytes of [Uint8Array.of(97, 0, 98), Uint8Array.of(0xff, 0xfe)]) {
      const data = packStrings([bytes, bytes]);
      const x = { datatype: 'BYTES' as const, shape: [1, 2], data };
      instance.send([{ inputs: { x }, batch: 1, outputs: undefined }]);
      await instance.next('instance.batch-failed');
    }
    await instance.unload();
  });

  it('says what a load took', async () => {
    const variant = linear(folder);
    const instance = driver.instance(variant);
    const loaded = await instance.next('instance.variant-loaded');
    expect(loaded.loadMs).to.be.greaterThan(0);
    expect(loaded.memoryBytes).to.be.at.least(variant.file.bytes);
    expect(loaded.measured.map(({ batch }) => batch)).to.deep.equal([1, 8]);
    expect(loaded.measured.every(({ ms }) => ms > 0)).to.equal(true);
    await instance.unload();
  });

  const refusals: readonly (readonly [string, () => Variant, RegExp])[] = [
    ['a missing file', () => misplaced(linear(folder, 'misplaced')), /cannot be read.*ENOENT/],
    ['a changed file', () => altered(linear(folder, 'altered')), /not the registered file.*sha256/],
    [
      'a file that is no model',
      () => folder.write('noise', new Uint8Array(99).fill(7), linear(folder).signature),
      /ONNX Runtime refuses it/,
    ],
    [
      'a signature with an output that the graph lacks',
      () => linear(folder, 'renamed', { adapter: { outputs: { y: 'z' } } }),
      /no output "z"; it has y/,
    ],
    [
      'a signature with another datatype',
      () => ({ ...identity(folder, 'INT32'), signature: linear(folder).signature }),
      /input "x" is int32, the signature says FP32/,
    ],
    [
      'an adapter that leaves an input unfed',
      () => linear(folder, 'unfed', { adapter: { drop: ['x'] } }),
      /nothing feeds its input "x"/,
    ],
  ];
  for (const [what, variant, message] of refusals) {
    it(`refuses to load ${what}`, async () => {
      const failed = await driver.instance(variant()).next('instance.load-failed');
      expect(failed.message).to.match(message);
    });
  }

  it('serves on one lane while another works', async () => {
    const busy: DrivenInstance = await driver.loaded(looping(folder));
    busy.send([int64Query(1_500_000n)]);
    let finished = false;
    const end = busy.next('instance.batch-ran').then(() => (finished = true));
    const instance = await driver.loaded(linear(folder));
    await instance.run([rows([1, 2, 3, 4])]);
    expect(finished).to.equal(false);
    await end;
    await instance.unload();
    await busy.unload();
  });

  it('gives back the memory of what it unloads', async function () {
    // It reads /proc.
    if (process.platform !== 'linux') this.skip();
    const pid = driver.engine.pids()[0] ?? 0;
    const cycle = async (): Promise<void> =>
      (await driver.loaded(wide(folder, 4_000_000))).unload();
    for (let warm = 0; warm < 2; warm += 1) await cycle();
    const before = residentBytes(pid);
    for (let count = 0; count < 6; count += 1) await cycle();
    expect(residentBytes(pid) - before).to.be.lessThan(2 * 16_000_000);
  });
});

function identityQuery(datatype: Datatype, seed: number): EngineQuery {
  const shape = [seed, 2];
  const texts = ['', 'ä€😀', 'plain', 'more'].slice(0, 2 * seed);
  const data =
    datatype === 'BYTES'
      ? packStrings(texts.map((text) => Buffer.from(text)))
      : Uint8Array.from({ length: 2 * seed * bytesPerElement(datatype) }, (_, index) =>
          datatype === 'BOOL' ? index % 2 : index * 7 + seed,
        );
  return { inputs: { x: { datatype, shape, data } }, batch: seed, outputs: undefined };
}

function misplaced(variant: Variant): Variant {
  return { ...variant, file: { ...variant.file, path: `${variant.file.path}.gone` } };
}

function altered(variant: Variant): Variant {
  writeFileSync(variant.file.path, 'something else');
  return variant;
}

function residentBytes(pid: number): number {
  const pages = readFileSync(`/proc/${String(pid)}/statm`, 'utf8').split(' ')[1];
  return Number(pages) * 4096;
}
