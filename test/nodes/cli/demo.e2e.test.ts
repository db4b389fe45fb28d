/** `infaas demo` as a process: real models, a real WebSocket, and a summary that adds up. */

import { spawn } from 'node:child_process';
import { join } from 'node:path';

import { expect } from 'chai';

import type { DemoSummary } from '../../../nodes/cli/demo/report.ts';
import { packageRoot } from '../../../nodes/package-root.ts';

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

function infaas(...argv: readonly string[]): Promise<Ended> {
  const script = join(packageRoot(), 'bin', 'infaas.js');
  const child = spawn(process.execPath, [script, ...argv], { stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  let err = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      resolve({ code, out, err });
    });
  });
}

function expectSound(summary: DemoSummary, queries: number): void {
  expect(summary).to.include({ queries, answered: queries });
  expect(summary.correct).to.be.within(0.85 * queries, queries);
  expect(summary.sloMet).to.be.at.most(queries);
  expect(summary.variantsUsed).to.deep.equal([...summary.variantsUsed].sort());
  expect(summary.variantsUsed.length).to.be.at.least(4);
  expect(summary.speech.answered).to.equal(summary.speech.frames);
}

describe('infaas demo', function () {
  this.timeout(90_000);

  it('prints one JSON document with --json, and notes on stderr', async () => {
    const { code, out, err } = await infaas('demo', '--json', '--seed', '3', '--queries', '60');
    expect(code, err).to.equal(0);
    expect(out.trim().split('\n')).to.have.length(1);
    expectSound(JSON.parse(out) as DemoSummary, 60);
    expect(err).to.contain('demo:');
  });

  it('shows who answered at which SLO, and ends with the summary', async () => {
    const { code, out, err } = await infaas('demo', '--queries', '50');
    expect(code, err).to.equal(0);
    expect(out).to.match(/SLO ASKED +ANSWERED BY/);
    expect(out).to.match(/≥ 98 %.*cnn/);
    const summary = JSON.parse(out.trim().split('\n').at(-1) ?? '') as DemoSummary;
    expectSound(summary, 50);
  });
});
