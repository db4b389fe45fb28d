/** Models are measured where they are to run: on a worker's machine, or here when it goes. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { expect } from 'chai';

import { connect, type InfaasClient } from '../../client/index.ts';
import { type NatsServer, startNatsServer } from '../../nodes/adapters/nats-server.ts';
import { packageRoot } from '../../nodes/package-root.ts';
import { silentLogger } from '../../runtime/log.ts';
import { eventually, Stage } from './processes.ts';

const model = join(packageRoot(), 'zoo/digit-classification/mlp.onnx');

describe('a model that is registered where there are workers', function () {
  this.timeout(120_000);
  const stage = new Stage();
  let server: NatsServer | undefined;
  let client: InfaasClient | undefined;
  after(async () => {
    await client?.close();
    await stage.end();
    await server?.stop();
  });

  it('is measured on one, and beside the controller when that is killed meanwhile', async () => {
    server = await startNatsServer({ dataDir: stage.folder(), log: silentLogger });
    const at = ['--nats', server.url];
    // More runs than there is time for: it takes all of it.
    const lab = { profileMs: 200, spreadMax: 1e-9, samplesMin: 1_000_000, samplesMax: 1_000_000 };
    const config = {
      lab,
      registrar: { quickProfileMs: 3_000 },
      bus: { beatMs: 200 },
      monitor: { driftTellMs: 200 },
      cache: { inPlace: false },
    };
    const controller = ['controller', ...at, '--data', join(stage.folder(), 'data'), '--port', '0'];
    const { ready } = await stage.infaas(controller, config);
    const asking = await connect(String(ready['url']));
    client = asking;
    const worker = await stage.infaas(['worker', ...at, '--name', 'far'], config);
    await eventually('the worker', async () => (await asking.workers()).length === 1);
    const files = { 'model.onnx': readFileSync(model) };
    const measuredOn = async (
      architecture: string,
      onProgress: (stage: string, total: number) => void = () => undefined,
    ): Promise<string> => {
      const manifest = { task: 't', dataset: 'd', architecture, file: 'model.onnx', accuracy: 90 };
      const options = { generate: false, profile: false };
      const report = await asking.register(manifest, files, {
        ...options,
        onProgress: (progress) => {
          onProgress(progress.stage, progress.total);
        },
      });
      return report.variants[0]?.measuredOn ?? '';
    };
    // Its first word to the registrar may be later than that to the gateway.
    let tries = 0;
    const onTheWorker = async (): Promise<boolean> => {
      tries += 1;
      return (await measuredOn(`ours${String(tries)}`)).endsWith('worker far');
    };
    await eventually('a profile of the worker', onTheWorker, 60_000);

    let killed = false;
    const onProgress = (at: string, total: number): void => {
      // From the worker itself: it has begun.
      if (killed || at !== 'profiling' || total === 0) return;
      killed = true;
      worker.kill('SIGKILL');
    };
    expect(await measuredOn('theirs', onProgress)).to.not.match(/worker/);
    expect(killed).to.equal(true);
  });
});
