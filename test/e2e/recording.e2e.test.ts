/** A real system recorded in all its processes, one of them killed: replayed, and asked what if. */

import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { expect } from 'chai';

import { connect } from '../../client/index.ts';
import { childrenOf, eventually, Stage } from './processes.ts';
import { QueryStream } from './stream.ts';

const binary = fileURLToPath(new URL('../../bin/infaas.js', import.meta.url));

async function run(...args: string[]): Promise<Record<string, unknown>> {
  const { stdout } = await promisify(execFile)(process.execPath, [binary, ...args, '--json'], {
    maxBuffer: 2 ** 26,
  });
  return JSON.parse(stdout) as Record<string, unknown>;
}

describe('a system that is recorded', function () {
  this.timeout(120_000);
  let stage: Stage;

  beforeEach(() => {
    stage = new Stage();
  });

  afterEach(() => stage.end());

  it('decides the same when played again, and tells what else would have cost', async () => {
    const records = join(stage.folder(), 'records');
    const system = await stage.infaas(
      ['up', '--zoo', '--workers', '2', '--port', '0', '--data', stage.folder()].concat(
        ...['--record', records],
      ),
      { bus: { missedMax: 12 } },
    );
    const client = await connect(String(system.ready['url']));
    await eventually('both workers', async () => (await client.workers()).length === 2);
    await client.close();
    const stream = await QueryStream.open(String(system.ready['url']));
    stream.start(50, { slo: { accuracyMin: 98, latencyMs: 200 }, timeoutMs: 20_000 });
    await eventually('queries are answered', () => stream.answered > 100);
    const [, victim = 0] = childrenOf(system.pid);
    process.kill(victim, 'SIGKILL');
    await eventually('more are answered', () => stream.answered > 250);
    stream.pause();
    await eventually('all are answered', () => stream.answered === stream.sent);
    stream.close();
    system.kill('SIGTERM');
    expect(await system.exited).to.equal(0);

    const { same, files } = (await run('replay', records)) as {
      readonly same: boolean;
      readonly files: readonly { node: string; turns: number; cutShort: boolean }[];
    };
    expect(same).to.equal(true);
    expect(files.some(({ node }) => node === 'controller')).to.equal(true);
    expect(files.some(({ cutShort }) => cutShort)).to.equal(true);
    expect(files.some(({ node, turns }) => node.startsWith('worker-') && turns > 50)).to.equal(
      true,
    );

    const { recorded, asItWas, changed } = (await run(
      'what-if',
      records,
      '--workers',
      '1',
    )) as Readonly<Record<string, { readonly queries: number; readonly machineUsd: number }>>;
    expect(recorded?.queries).to.equal(stream.sent);
    expect(asItWas?.queries).to.equal(stream.sent);
    expect(changed?.queries).to.equal(stream.sent);
    expect(changed?.machineUsd).to.be.lessThan(0.7 * (asItWas?.machineUsd ?? 0));
  });
});
