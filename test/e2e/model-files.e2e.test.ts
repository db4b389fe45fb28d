/**
 * Machines that share no files: a worker that reaches none of the controller's fetches what it is
 * to serve from the repository on NATS, and again when its copy turned bad.
 */

import { readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { expect } from 'chai';

import { connect, type InfaasClient } from '../../client/index.ts';
import { type NatsServer, startNatsServer } from '../../nodes/adapters/nats-server.ts';
import { packageRoot } from '../../nodes/package-root.ts';
import { silentLogger } from '../../runtime/log.ts';
import { eventually, Stage } from './processes.ts';

/** 1.8 MiB: more than one object of the repository below, in many messages each. */
const model = join(packageRoot(), 'zoo/digit-classification/cnn-large.onnx');
const manifest = {
  ...{ task: 't', dataset: 'd', architecture: 'ours', file: 'model.onnx', accuracy: 90 },
};

describe('a worker that reaches no file of the controller', function () {
  this.timeout(120_000);
  const stage = new Stage();
  let server: NatsServer | undefined;
  let client: InfaasClient | undefined;
  before(async () => {
    server = await startNatsServer({ dataDir: stage.folder(), log: silentLogger });
  });
  after(async () => {
    await client?.close();
    await stage.end();
    await server?.stop();
  });

  it('serves models that it fetched, and fetches a changed byte again', async () => {
    const at = ['--nats', server?.url ?? ''];
    const data = join(stage.folder(), 'data');
    const cache = stage.folder();
    const config = {
      lab: { profileMs: 200 },
      registrar: { quickProfileMs: 100 },
      repository: { segmentBytes: 512 * 1024 },
      cache: { folder: cache },
    };
    const controller = ['controller', ...at, '--data', data, '--port', '0'];
    const { ready } = await stage.infaas(controller, config);
    const asking = await connect(String(ready['url']));
    client = asking;
    const files = { 'model.onnx': readFileSync(model) };
    await asking.register(manifest, files, { generate: false, profile: false });
    // What it had registered is out of reach from now on.
    renameSync(join(data, 'models'), join(data, 'elsewhere'));

    const answers = (): Promise<void> =>
      eventually('an answer', async () => {
        const image = { shape: [1, 1, 28, 28], data: new Float32Array(784) };
        const answer = await asking.query({ architecture: 'ours', inputs: { image } });
        // Until the gateway has heard of the worker.
        if (!answer.ok) expect(answer.error.code, JSON.stringify(answer)).to.equal('unavailable');
        return answer.ok;
      });
    const worker = ['worker', ...at, '--name', 'far'];
    const first = await stage.infaas(worker, config);
    await answers();
    first.kill('SIGTERM');
    await first.exited;

    const blobs = join(cache, 'far', 'blobs');
    const [blob = ''] = readdirSync(blobs);
    const bytes = readFileSync(join(blobs, blob));
    const flipped = Buffer.from(bytes);
    flipped[1_000_000] = (flipped[1_000_000] ?? 0) ^ 1;
    writeFileSync(join(blobs, blob), flipped);
    await stage.infaas(worker, config);
    await answers();
    expect(readFileSync(join(blobs, blob)).equals(bytes)).to.equal(true);
  });
});
