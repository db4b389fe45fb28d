/**
 * A profile that tells untruths is found out while queries go on: measured anew, recorded, and used
 * by the worker from then on, without a query lost or an instance loaded again.
 */

import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { expect } from 'chai';

import { connect } from '../../client/index.ts';
import { packageRoot } from '../../nodes/package-root.ts';
import { eventually, Stage } from './processes.ts';
import { QueryStream } from './stream.ts';

const digits = join(packageRoot(), 'zoo/digit-classification');

describe('a variant that is not as slow as its profile says', function () {
  this.timeout(120_000);
  const stage = new Stage();
  after(() => stage.end());

  it('is measured anew while it serves', async () => {
    const folder = stage.folder();
    copyFileSync(join(digits, 'cnn-small.onnx'), join(folder, 'cnn-small.onnx'));
    const manifest = readFileSync(join(digits, 'cnn-small-fp32.yaml'), 'utf8');
    const swapped = manifest.replace(/latencyMs: .*/, 'latencyMs: { 1: 30, 64: 400 }');
    writeFileSync(join(folder, 'model.yaml'), swapped);
    const config = {
      lab: { profileMs: 500 },
      monitor: { drift: { forMs: 1_000, batchesMin: 5 }, driftTellMs: 500 },
    };
    const at = ['--port', '0', '--data', join(stage.folder(), 'data')];
    const given = ['--model', join(folder, 'model.yaml')];
    const up = await stage.infaas(['up', '--nats', 'embedded', ...at, ...given], config);
    const url = String(up.ready['url']);
    const client = await connect(url);
    const latency = async (): Promise<number> =>
      (await client.variants())[0]?.latencyMs.find(({ batch }) => batch === 1)?.ms ?? NaN;
    expect(await latency()).to.equal(30);

    const stream = await QueryStream.open(url);
    stream.start(40, { timeoutMs: 30_000, architecture: 'cnn-small' });
    await eventually('a new profile', async () => (await latency()) < 15, 60_000);
    const instances = await client.instances();
    expect(instances).to.have.length(1);
    await eventually('answers under it', () => stream.answered > 20);
    // By what it owes: the worker reckons with the new profile.
    await eventually('the instance is as fast as its profile says', async () => {
      const [instance] = await client.instances();
      return instance?.name === instances[0]?.name && (instance?.slowdown ?? 0) > 0.2;
    });
    stream.pause();
    await eventually('all answers', () => stream.answered === stream.sent);
    expect(stream.failures()).to.deep.equal([]);
    stream.close();
    await client.close();
  });
});
