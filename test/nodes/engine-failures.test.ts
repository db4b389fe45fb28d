/**
 * What hangs, crashes and deaths of either process cost: the host they happen in, and nothing else.
 */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

import { expect } from 'chai';

import type { EngineQuery } from '../../actors/instance/engine-port.ts';
import { tensorOf } from '../../runtime/wire/tensors.ts';
import {
  endless,
  int64Query,
  linear,
  looping,
  VariantFolder,
} from '../fixtures/engine-variants.ts';
import { createEngineDriver, type EngineDriver, isRunning, until } from './engine-driver.ts';

const forever = int64Query(1n << 60n);
const atOnce = int64Query(0n);
const row: EngineQuery = {
  inputs: { x: tensorOf('FP32', [1, 4], new Float32Array(4)) },
  batch: 1,
  outputs: undefined,
};

describe('an engine host', function () {
  this.timeout(60_000);
  const folder = new VariantFolder();
  let driver: EngineDriver;
  beforeEach(() => {
    driver = createEngineDriver({ lanes: 1, quarantineBatches: 3 });
  });
  afterEach(async () => {
    const pids = driver.engine.pids();
    await driver.close();
    expect(pids.filter(isRunning)).to.deep.equal([]);
  });
  after(() => folder.remove());

  const hostPid = (): number => driver.engine.pids()[0] ?? expect.fail('no host');

  it('is killed when a batch hangs, and the next load starts another', async () => {
    const hanging = await driver.loaded(looping(folder));
    const innocent = await driver.loaded(linear(folder));
    const pid = hostPid();
    hanging.send([forever], 100);
    const lost = await hanging.next('instance.engine-lost');
    expect(lost.message).to.match(/looping hung, a batch of 1 took over 100 ms/);
    await innocent.next('instance.engine-lost');
    expect(isRunning(pid)).to.equal(false);
    expect(driver.engine.pids()).to.deep.equal([]);
    const again = await driver.loaded(linear(folder));
    await again.run([row]);
  });

  it('is killed when a load hangs', async () => {
    await driver.close();
    driver = createEngineDriver({ lanes: 1, loadHangMs: 1_500 });
    const innocent = await driver.loaded(linear(folder));
    const hanging = driver.instance(endless(folder));
    const lost = await hanging.next('instance.engine-lost');
    expect(lost.message).to.match(/endless hung, its load took over 1500 ms/);
    await innocent.next('instance.engine-lost');
  });

  it('takes its instances with it when it crashes, and says what it said', async () => {
    const crashing = await driver.loaded(looping(folder));
    const innocent = await driver.loaded(linear(folder));
    crashing.send([forever]);
    process.kill(hostPid(), 'SIGSEGV');
    const lost = await crashing.next('instance.engine-lost');
    expect(lost.message).to.match(/engine host \d+ died of SIGSEGV/);
    await innocent.next('instance.engine-lost');
  });

  it('keeps a suspect away from the innocent until it has proven itself', async () => {
    const crashing = await driver.loaded(looping(folder));
    await driver.loaded(linear(folder));
    crashing.send([forever]);
    process.kill(hostPid(), 'SIGKILL');
    await crashing.next('instance.engine-lost');

    const innocent = await driver.loaded(linear(folder));
    const shared = hostPid();
    const poison = await driver.loaded(looping(folder));
    expect(driver.engine.pids().length).to.equal(2);
    poison.send([forever], 100);
    await poison.next('instance.engine-lost');
    expect(driver.engine.pids()).to.deep.equal([shared]);
    await innocent.run([row]);

    const tame = await driver.loaded(looping(folder));
    expect(driver.engine.pids().length).to.equal(2);
    for (let batch = 0; batch < 3; batch += 1) await tame.run([atOnce]);
    await tame.unload();
    await until(() => driver.engine.pids().length === 1);
    const trusted = await driver.loaded(looping(folder));
    expect(driver.engine.pids()).to.deep.equal([shared]);
    await trusted.run([atOnce]);
  });

  it('leaves it to its worker what an interrupt means', async () => {
    const instance = await driver.loaded(linear(folder));
    const pid = hostPid();
    process.kill(pid, 'SIGINT');
    process.kill(pid, 'SIGTERM');
    await instance.run([row]);
    expect(driver.engine.pids()).to.deep.equal([pid]);
  });

  it('that cannot start fails the load, not the worker', async () => {
    await driver.close();
    driver = createEngineDriver({ startTimeoutMs: 1 });
    const failed = await driver.instance(linear(folder)).next('instance.load-failed');
    expect(failed.message).to.match(/it did not start within 1 ms/);
  });

  it('is gone after a shutdown even when a lane hangs', async () => {
    const hanging = await driver.loaded(looping(folder));
    hanging.send([forever]);
    const pid = hostPid();
    await driver.close();
    expect(isRunning(pid)).to.equal(false);
  });

  it('ends by itself when its worker is killed, hanging lane or not', async () => {
    const script = fileURLToPath(new URL('../fixtures/engine-parent.ts', import.meta.url));
    const parent = spawn(process.execPath, ['--import', 'tsx', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [line] = (await once(parent.stdout, 'data')) as [Buffer];
    const pid = Number(line.toString());
    expect(isRunning(pid)).to.equal(true);
    parent.kill('SIGKILL');
    await until(() => !isRunning(pid));
  });
});
