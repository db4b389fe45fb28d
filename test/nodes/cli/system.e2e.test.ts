/** Client commands against a real system with the bundled models: answers, refusals, load. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect } from 'chai';

import type { LoadReport } from '../../../nodes/cli/load/report.ts';
import { packageRoot } from '../../../nodes/package-root.ts';
import { type RunningSystem, startSystem } from '../../../nodes/standalone.ts';
import { run } from './capture.ts';

const digits = join(packageRoot(), 'zoo', 'digit-classification', 'heldout-images.npy');
const task = ['--task', 'digit-classification', '--dataset', 'mnist'] as const;

describe('client commands', function () {
  this.timeout(60_000);
  let system: RunningSystem;
  let at: readonly string[];
  let dataDir: string;

  before(async () => {
    dataDir = mkdtempSync(join(tmpdir(), 'infaas-cli-'));
    system = await startSystem({
      ...{ zoo: true, models: [], nats: 'embedded', workers: 1, port: 0, dataDir },
      logLevel: 'error',
    });
    at = ['--url', system.url];
  });

  after(async () => {
    await system.close();
    rmSync(dataDir, { recursive: true, force: true });
  });

  for (const key of ['tasks', 'architectures', 'variants', 'workers', 'instances']) {
    it(`list ${key} as one document, and as a table`, async () => {
      const { code, out } = await run(key, '--json', ...at);
      expect(code).to.equal(0);
      expect(JSON.parse(out)).to.have.property(key).that.is.an('array');
      expect(await run(key, ...at)).to.include({ code: 0, err: '' });
    });
  }

  it('list the variants of one architecture, and know when there is none', async () => {
    const { out } = await run('variants', 'mlp', '--json', ...at);
    const { variants } = JSON.parse(out) as { variants: { architecture: string }[] };
    expect(variants.map(({ architecture }) => architecture)).to.deep.equal(['mlp']);
    const { code, err } = await run('variants', 'mlpp', ...at);
    expect(code).to.equal(1);
    expect(err).to.contain('no architecture "mlpp"').and.to.contain('mlp');
  });

  it('say which name was meant, of tasks, datasets and architectures', async () => {
    const misspelt = [
      ['architectures', '--task', 'digit-clasification'],
      ['architectures', '--dataset', 'minst'],
      ['variants', 'cnn-smal'],
    ];
    for (const argv of misspelt) {
      const { code, err } = await run(...argv, ...at);
      expect(code).to.equal(1);
      expect(err).to.match(/there is no \w+ ".*"; did you mean (digit-cl|mnist|cnn-small)/);
    }
    const query = await run('query', '--task', 'digit', '--input', digits, '--row', '0', ...at);
    expect(query.err).to.contain('there is no task "digit"; known: ');
  });

  it('load prints the refusal of what it names as a document', async () => {
    const wrong = ['load', '--variant', 'mlp-fp23', '--rate', '1', '--json', ...at];
    const { code, out } = await run(...wrong);
    expect(code).to.equal(4);
    expect(JSON.parse(out)).to.have.nested.property('error.code', 'unknown_variant');
  });

  it('query prints who answered, and what', async () => {
    const query = ['query', ...task, '--accuracy', '98', '--input', digits, '--row', '0'];
    const { code, out, err } = await run(...query, ...at);
    expect(code, err).to.equal(0);
    expect(out).to.match(/^variant +\S+ \(.*digit-classification\/mnist\)/m);
    expect(out).to.match(/^output +logits FP32 \[1, 10\]: \d \(/m);
    expect(out).to.match(/^SLO +met: ≥ 98 %/m);
  });

  it('query --json prints the answer of the interface', async () => {
    const query = ['query', '--variant', 'mlp-fp32', '--input', digits, '--row', '1', '--json'];
    const { code, out } = await run(...query, ...at);
    expect(code).to.equal(0);
    const answer = JSON.parse(out) as Record<string, unknown>;
    expect(answer).to.include({ ok: true });
    expect(answer).to.include.all.keys('id', 'queryId', 'timing', 'slo', 'decision', 'costUsd');
    expect(answer).to.have.nested.property('servedBy.variant', 'mlp-fp32');
    expect(answer).to.have.nested.property('outputs.logits.data').with.length(10);
  });

  const refusals: readonly (readonly [string, readonly string[]])[] = [
    ['unknown_task', ['--task', 'digit-classificatio']],
    ['unknown_architecture', ['--architecture', 'nope']],
    ['unknown_variant', ['--variant', 'nope']],
    ['slo_infeasible', [...task, '--accuracy', '100']],
  ];
  for (const [errorCode, selector] of refusals) {
    it(`query exits with 4 when it is refused as ${errorCode}`, async () => {
      const query = ['query', ...selector, '--input', digits, '--row', '0', '--json'];
      const { code, out, err } = await run(...query, ...at);
      expect(code).to.equal(4);
      expect(JSON.parse(out)).to.have.nested.property('error.code', errorCode);
      expect(err).to.contain(errorCode);
    });
  }

  it('query says which row there is not', async () => {
    const query = ['query', ...task, '--input', digits, '--row', '2000'];
    const { code, err } = await run(...query, ...at);
    expect(code).to.equal(2);
    expect(err).to.contain('2000 rows');
  });

  it('load reports what it sent and what came back', async () => {
    const open = ['--rate', '50', '--duration', '1', '--arrivals', 'constant', '--json'];
    const { code, out, err } = await run('load', ...task, '--input', digits, ...open, ...at);
    expect(code, err).to.equal(0);
    const report = JSON.parse(out) as LoadReport;
    expect(report).to.include({ mode: 'open', queries: 50, ok: 50, sloAttainment: 1 });
    expect(report.latencyMs.count).to.equal(50);
    expect(report.latencyMs.p50).to.be.at.most(report.latencyMs.max);
    expect(Object.keys(report.variants)).to.not.be.empty;
  });

  it('load keeps a closed loop going with random inputs', async () => {
    const closed = ['--concurrency', '2', '--duration', '1'];
    const { code, out, err } = await run('load', '--architecture', 'mlp', ...closed, ...at);
    expect(code, err).to.equal(0);
    expect(out)
      .to.contain('closed loop, 2 in flight')
      .and.to.match(/mlp-fp32 +\d+ +100 %/);
  });
});
