/**
 * A model's life in a running system, from the command line: registered, asked, registered again as
 * it is and changed, unregistered; queries go on all the while and none is lost. And a system that
 * is killed in the middle of a registration.
 */

import { copyFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { expect } from 'chai';

import type { RegistrationReport } from '../../actors/domain/registration.ts';
import { connect } from '../../client/index.ts';
import { type NatsServer, startNatsServer } from '../../nodes/adapters/nats-server.ts';
import { packageRoot } from '../../nodes/package-root.ts';
import { silentLogger } from '../../runtime/log.ts';
import { run } from '../nodes/cli/capture.ts';
import { eventually, Stage } from './processes.ts';
import { QueryStream } from './stream.ts';

const digits = join(packageRoot(), 'zoo/digit-classification');
const task = ['--task', 'digit-classification', '--dataset', 'mnist', '--architecture', 'ours'];
/** Measurements short enough for a test. */
const config = { lab: { profileMs: 200 }, registrar: { quickProfileMs: 100 } };

describe('a model that is registered while queries go on', function () {
  this.timeout(240_000);
  const stage = new Stage();
  let url = '';
  let file = '';
  before(async () => {
    const up = ['up', '--nats', 'embedded', '--port', '0', '--data', join(stage.folder(), 'data')];
    const settings = { ...config, generator: { precisions: ['fp32', 'int8-static'] } };
    const { ready } = await stage.infaas(up, settings);
    url = String(ready['url']);
    file = join(stage.folder(), 'model.onnx');
    copyFileSync(join(digits, 'cnn-small.onnx'), file);
  });
  after(() => stage.end());

  const register = async (): Promise<RegistrationReport> => {
    const { code, out, err } = await run('register', file, ...task, '--json', '--url', url);
    expect(code, err).to.equal(0);
    return JSON.parse(out) as RegistrationReport;
  };

  it('serves, is replaced without a query lost, and goes', async () => {
    const first = await register();
    expect(first).to.include({ ok: true, architecture: 'ours', version: 1, changed: true });
    const names = first.variants.map(({ name }) => name);
    expect(names).to.include('ours-fp32');
    expect([...names, ...first.refused.map(({ name }) => name)]).to.include('ours-int8-static');
    expect(first.servingMs).to.be.below(first.totalMs);

    const stream = await QueryStream.open(url);
    stream.start(40, { timeoutMs: 60_000, architecture: 'ours' });
    await eventually('answers', () => stream.answered > 20);
    expect(await register()).to.include({ version: 1, changed: false });

    copyFileSync(join(digits, 'mlp.onnx'), file);
    expect(await register()).to.include({ version: 2, changed: true });
    const sent = stream.sent;
    await eventually('answers by the new version', () => stream.answered > sent + 20);
    stream.pause();
    await eventually('all answers', () => stream.answered === stream.sent);
    expect(stream.failures()).to.deep.equal([]);
    expect(stream.doubled()).to.deep.equal([]);
    stream.close();

    const gone = await run('unregister', 'ours', '--url', url);
    expect(gone.out, gone.err).to.match(/^unregistered ours-fp32/);
    const again = await run('unregister', 'ours', '--url', url, '--json');
    expect(again.code).to.equal(1);
    expect(JSON.parse(again.out)).to.have.nested.property('error.code', 'unknown_architecture');
    const listed = await run('variants', '--url', url, '--json');
    expect(JSON.parse(listed.out)).to.deep.equal({ variants: [] });
  });
});

describe('an ONNX file given to `up`', function () {
  this.timeout(120_000);
  const stage = new Stage();
  after(() => stage.end());

  it('serves without a manifest', async () => {
    const data = ['--data', join(stage.folder(), 'data'), '--port', '0', '--nats', 'embedded'];
    const given = ['--model', join(digits, 'mlp.onnx'), ...task];
    const { ready } = await stage.infaas(['up', ...data, ...given], config);
    const client = await connect(String(ready['url']));
    await eventually('an answer', async () => {
      const image = { shape: [1, 1, 28, 28], data: new Float32Array(784) };
      return (await client.query({ architecture: 'ours', inputs: { image } })).ok;
    });
    await client.close();
  });
});

describe('a model that is registered through whatever gateway', function () {
  this.timeout(120_000);
  const stage = new Stage();
  let natsUrl = '';
  let url = '';
  let server: NatsServer | undefined;
  const manifest = (architecture: string): object => {
    return { task: 't', dataset: 'd', architecture, file: 'model.onnx', accuracy: 90 };
  };
  const alone = { generate: false, profile: false } as const;

  before(async () => {
    server = await startNatsServer({ log: silentLogger });
    natsUrl = server.url;
    const at = ['--nats', natsUrl];
    const data = ['--data', join(stage.folder(), 'data')];
    await stage.infaas(['controller', ...at, ...data, '--port', '0'], config);
    await stage.infaas(['worker', ...at], config);
    const { ready } = await stage.infaas(['gateway', ...at, '--port', '0'], config);
    url = String(ready['httpUrl']);
  });
  after(async () => {
    await stage.end();
    await server?.stop();
  });

  const serves = async (architecture: string): Promise<void> => {
    const client = await connect(url);
    const image = { shape: [1, 1, 28, 28], data: new Float32Array(784) };
    const answer = await client.query({ architecture, inputs: { image } });
    await client.close();
    expect(answer.ok, JSON.stringify(answer)).to.equal(true);
  };

  for (const way of ['WebSocket', 'NATS'] as const) {
    it(`serves when it came by ${way} through a node of its own`, async () => {
      const client = await connect(way === 'NATS' ? natsUrl : url);
      const stages: string[] = [];
      const files = { 'model.onnx': readModel('cnn-large.onnx') };
      const report = await client.register({ ...manifest(`by-${way}`) }, files, {
        ...alone,
        onProgress: (progress) => {
          stages.push(progress.stage);
          expect(Object.values(progress)).to.not.include(null);
        },
      });
      expect(report).to.include({ version: 1, changed: true });
      expect(stages).to.include.members(['uploading', 'parsing', 'checking', 'serving']);
      await serves(`by-${way}`);
      const gone = await client.unregister(`by-${way}`);
      expect(gone.variants).to.deep.equal([`by-${way}-fp32`]);
      await client.close();
    });
  }

  it('serves when it came by HTTP, and tells how far it is line by line', async () => {
    const body = readModel('mlp.onnx');
    const put = await fetch(`${url}/v1/uploads/upload-by-http/model.onnx`, { method: 'PUT', body });
    expect(await put.json()).to.deep.equal({ ok: true, bytes: body.length });
    const request = { upload: 'upload-by-http', manifest: manifest('by-http'), ...alone };
    const posted = await fetch(`${url}/v1/register`, {
      method: 'POST',
      body: JSON.stringify(request),
    });
    const lines = (await posted.text()).trim().split('\n');
    const told = lines.map((line) => JSON.parse(line) as { ok: boolean; partial?: true });
    expect(told.slice(0, -1).every(({ partial }) => partial === true)).to.equal(true);
    expect(told.at(-1)).to.have.nested.property('report.architecture', 'by-http');
    await serves('by-http');
    const removed = await fetch(`${url}/v1/architectures/by-http`, { method: 'DELETE' });
    expect(await removed.json()).to.have.nested.property('report.variants[0]', 'by-http-fp32');
    const missing = await fetch(`${url}/v1/architectures/by-http`, { method: 'DELETE' });
    expect(missing.status).to.equal(404);
  });
});

describe('a system that is killed while it registers a model', function () {
  this.timeout(300_000);
  const stage = new Stage();
  after(() => stage.end());

  for (const phase of ['parsing', 'checking', 'profiling', 'storing', 'generating', 'recording']) {
    it(`in ${phase}: has the old state or the new, and can begin again`, async () => {
      const data = join(stage.folder(), 'data');
      const up = ['up', '--nats', 'embedded', '--port', '0', '--data', data];
      const settings = {
        ...config,
        generator: { precisions: ['int8-dynamic'], optimisations: [] },
      };
      const doomed = await stage.infaas(up, settings);
      const client = await connect(String(doomed.ready['url']));
      const files = { 'model.onnx': readModel('mlp.onnx') };
      const manifest = { task: 't', dataset: 'd', architecture: 'ours', file: 'model.onnx' };
      const stages: string[] = [];
      await client
        .register(manifest, files, {
          onProgress: ({ stage: now }) => {
            stages.push(now);
            if (now === phase) doomed.kill('SIGKILL');
          },
        })
        .catch(() => undefined);
      await client.close();
      await doomed.exited;
      expect(stages).to.include(phase);

      const { ready, kill } = await stage.infaas(up, settings);
      const next = await connect(String(ready['url']));
      const variants = await next.variants();
      const begun = stages.includes('serving');
      for (const variant of variants) expect(variant.version).to.equal(1);
      if (stages.at(-1) === 'generating' || stages.at(-1) === 'recording') {
        expect(variants.length).to.be.greaterThan(0);
      }
      if (!begun) expect(variants).to.deep.equal([]);
      for (const { name } of variants) {
        const image = { shape: [1, 1, 28, 28], data: new Float32Array(784) };
        expect(await next.query({ variant: name, inputs: { image } })).to.include({ ok: true });
      }
      const report = await next.register(manifest, files);
      expect(report).to.include({ version: 1, changed: true });
      await next.close();
      kill('SIGTERM');
    });
  }
});

function readModel(name: string): Uint8Array {
  return readFileSync(join(digits, name));
}
