/** `--data` from the command line: one process holds it, and what it kept survives `kill -9`. */

import { expect } from 'chai';

import { type Process, Stage } from './processes.ts';

describe('the data folder of a system', function () {
  this.timeout(60_000);
  let stage: Stage;
  let data: string;

  beforeEach(() => {
    stage = new Stage();
    data = stage.folder();
  });
  afterEach(() => stage.end());

  const up = (...more: string[]): Promise<Process> =>
    stage.infaas(['up', '--nats', 'embedded', '--port', '0', '--data', data, ...more]);

  /** The one line that a start which failed prints, and its exit code. */
  async function failureOf(start: Promise<Process>): Promise<unknown> {
    const { ready, exited } = await start;
    return { ...ready, exitCode: await exited };
  }

  it('is refused while another system holds it, and had again once that was killed', async () => {
    const first = await up('--zoo');
    const refusal = await failureOf(up());
    expect(refusal).to.include({ ok: false, exitCode: 1 });
    const held = `in use by process ${String(first.pid)}`;
    expect(refusal).to.have.nested.property('error.message').that.contains(held);
    first.kill('SIGKILL');
    await first.exited;
    const second = await up();
    const response = await fetch(`${String(second.ready['httpUrl'])}/v1/variants`);
    const { variants } = (await response.json()) as { variants: unknown[] };
    expect(variants.length).to.equal(first.ready['variants']);
  });

  it('ends the start with an error where it cannot be made', async function () {
    // Elsewhere there is no folder that not even root can write to.
    if (process.platform !== 'linux') this.skip();
    data = '/proc/infaas-none';
    const failure = await failureOf(up());
    expect(failure).to.include({ ok: false, exitCode: 1 });
    expect(failure).to.have.nested.property('error.message').that.contains('/proc/infaas-none');
  });
});
