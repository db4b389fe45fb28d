/**
 * Offline jobs with real processes and real models: through every way in, and through a kill -9 in
 * the middle of one.
 */

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { expect } from 'chai';

import { connect } from '../../client/index.ts';
import { startNatsServer } from '../../nodes/adapters/nats-server.ts';
import { silentLogger } from '../../runtime/log.ts';
import { eventually, type Process, Stage } from './processes.ts';

const asked = { task: 'digit-classification', dataset: 'mnist', outputs: ['logits'] } as const;

/** Lines with an image each, all different. */
function writeInputs(path: string, count: number): void {
  const lines = Array.from({ length: count }, (_, item) => {
    const image = Array.from({ length: 784 }, (_pixel, at) => ((at * item) % 10) / 10);
    return JSON.stringify({ id: `digit-${item}`, inputs: { image } });
  });
  writeFileSync(path, lines.join('\n'));
}

interface Line {
  readonly item: number;
  readonly id: string;
  readonly ok: boolean;
  readonly outputs?: { readonly logits: { readonly data: readonly number[] } };
}

function linesOf(folder: string): Line[] {
  const text = readFileSync(join(folder, 'results.jsonl'), 'utf8');
  // What is being written may end in the middle of a line.
  const whole = text.slice(0, text.lastIndexOf('\n') + 1);
  return whole
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Line);
}

describe('offline jobs of a real system', function () {
  this.timeout(120_000);
  let stage: Stage;
  let folder: string;
  let data: string;

  beforeEach(() => {
    stage = new Stage();
    folder = stage.folder();
    data = stage.folder();
  });

  afterEach(() => stage.end());

  function up(config: object = {}): Promise<Process> {
    const args = ['up', '--zoo', '--nats', 'embedded', '--port', '0', '--data', data];
    return stage.infaas(args, config);
  }

  it('survive a kill -9 in the middle: each item is in the results exactly once', async () => {
    const count = 4_000;
    const input = join(folder, 'digits.jsonl');
    const output = join(folder, 'out');
    writeInputs(input, count);
    const first = await up();
    const client = await connect(String(first.ready['url']));
    const job = await client.submitOffline({ ...asked, input, output });
    expect(job).to.include({ id: 'job-1', state: 'open', items: count });
    await eventually('a part is written', () => linesOf(output).length > 200);
    first.kill('SIGKILL');
    await first.exited;
    await client.close();
    const before = linesOf(output).length;
    expect(before).to.be.lessThan(count);

    const second = await up();
    const again = await connect(String(second.ready['url']));
    await eventually(
      'the job is done',
      async () => (await again.offlineStatus('job-1')).state === 'done',
      60_000,
    );
    await again.close();
    const lines = linesOf(output);
    expect(lines.map(({ item }) => item)).to.deep.equal([...lines.keys()]);
    expect(lines).to.have.length(count);
    expect(lines.every(({ ok }) => ok)).to.equal(true);
    expect(lines[17]?.id).to.equal('digit-17');
    expect(lines[17]?.outputs?.logits.data).to.have.length(10);
  });

  it('are submitted, listed and cancelled over HTTP and NATS, at any gateway', async () => {
    const server = await startNatsServer({ log: silentLogger });
    try {
      const nats = ['--nats', server.url];
      const slow = { offline: { spare: { utilisationMax: 0.05 } } };
      const zoo = ['--zoo', '--port', '0', '--data', data];
      await stage.infaas(['controller', ...nats, ...zoo], slow);
      const gateway = await stage.infaas(['gateway', ...nats, '--port', '0']);
      await stage.infaas(['worker', ...nats, '--name', 'worker-a', '--cores', '0']);
      const input = join(folder, 'images');
      mkdirSync(input);
      for (let item = 0; item < 300; item += 1) {
        const pixels = Array.from({ length: 784 }, () => item / 300);
        writeFileSync(join(input, `${String(item).padStart(3, '0')}.json`), JSON.stringify(pixels));
      }
      const url = `${String(gateway.ready['httpUrl'])}/v1/offline`;
      const body = JSON.stringify({ ...asked, input, output: join(folder, 'out') });
      const submitted = await fetch(url, { method: 'POST', body });
      const { job } = (await submitted.json()) as { job: { id: string; items: number } };
      expect(job).to.include({ id: 'job-1', items: 300 });

      const client = await connect(server.url);
      await eventually('some of it is written', async () => {
        return (await client.offlineStatus(job.id)).written > 5;
      });
      expect((await client.offlineJobs()).map(({ id }) => id)).to.deep.equal(['job-1']);
      const cancelled = await fetch(`${url}/${job.id}`, { method: 'DELETE' });
      expect(await cancelled.json()).to.have.nested.property('job.state', 'cancelled');
      const { written } = await client.offlineStatus(job.id);
      expect(written).to.be.within(1, 299);
      expect(linesOf(join(folder, 'out')).map(({ id }) => id)[1]).to.equal('001.json');
      const unknown = await fetch(`${url}/job-9`);
      expect(unknown.status).to.equal(400);
      await client.close();
    } finally {
      await stage.end();
      await server.stop();
    }
  });
});
