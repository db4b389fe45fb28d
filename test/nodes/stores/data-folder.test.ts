/** Who may hold a data folder, and what is said where it cannot be had. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { expect } from 'chai';

import { type HeldFolder, holdFolder, makeFolder } from '../../../nodes/stores/data-folder.ts';
import { StoreFailed } from '../../../runtime/errors.ts';

const source = fileURLToPath(new URL('../../../nodes/stores/data-folder.ts', import.meta.url));

/** A process that holds the folder until it is killed. */
async function startHolder(folder: string): Promise<ChildProcess> {
  const program =
    `import { holdFolder } from ${JSON.stringify(source)};` +
    `await holdFolder(${JSON.stringify(folder)}); console.log('held'); setInterval(() => {}, 1e6);`;
  const args = ['--import', 'tsx', '--input-type=module', '-e', program];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  return child;
}

async function refusalOf(attempt: () => Promise<unknown>): Promise<string> {
  try {
    await attempt();
  } catch (error) {
    expect(error).to.be.instanceOf(StoreFailed);
    return (error as Error).message;
  }
  throw new Error('it was not refused');
}

describe('a data folder', () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'infaas-data-'));
  });
  afterEach(() => {
    rmSync(root, { recursive: true, force: true });
  });

  it('is made with the folders above it, and held by one until it is released', async () => {
    const folder = join(root, 'a', 'b', 'c');
    const held = await holdFolder(folder);
    expect(await refusalOf(() => holdFolder(folder)))
      .to.contain(folder)
      .and.contain('this process');
    held.release();
    (await holdFolder(folder)).release();
    expect(readdirSync(folder)).to.deep.equal([]);
  });

  it('held by another process is refused, naming it, and had once that was killed', async () => {
    const holder = await startHolder(root);
    const message = await refusalOf(() => holdFolder(root));
    expect(message)
      .to.contain(`process ${String(holder.pid)}`)
      .and.contain('another --data');
    holder.kill('SIGKILL');
    await once(holder, 'exit');
    (await holdFolder(root)).release();
  });

  it('whose holder is gone is had, though its pid is in use by another process', async () => {
    const holder = await startHolder(root);
    holder.kill('SIGKILL');
    await once(holder, 'exit');
    const [left = ''] = readdirSync(root);
    rmSync(join(root, left));
    writeFileSync(join(root, left.replace(String(holder.pid), String(process.ppid))), '');
    (await holdFolder(root)).release();
    expect(readdirSync(root)).to.deep.equal([]);
  });

  it('held on another host is refused, saying which file to remove if that is gone', async () => {
    const file = join(root, 'held-by.1.1.abcd.elsewhere.example');
    writeFileSync(file, '');
    const message = await refusalOf(() => holdFolder(root));
    expect(message).to.contain('elsewhere.example').and.contain(file);
  });

  it('is never held by two of many that ask at once', async () => {
    for (let round = 0; round < 5; round += 1) {
      const asked = Array.from({ length: 6 }, () => holdFolder(root));
      const held: HeldFolder[] = [];
      for (const outcome of await Promise.allSettled(asked)) {
        if (outcome.status === 'fulfilled') held.push(outcome.value);
      }
      expect(held.length).to.be.at.most(1);
      for (const one of held) one.release();
    }
  });

  it('that cannot be made is an error at once, where the file system refuses', async () => {
    const paths = ['/dev/null/x'];
    if (process.platform === 'linux') paths.push('/proc/infaas-none/x');
    writeFileSync(join(root, 'file'), '');
    paths.push(join(root, 'file'), join(root, 'file', 'below'));
    for (const path of paths) {
      expect(() => makeFolder(path), path).to.throw(StoreFailed, /use another --data/);
      await refusalOf(() => holdFolder(path));
    }
  });

  it('that cannot be written is refused', async function () {
    if (process.getuid?.() === 0) this.skip();
    chmodSync(root, 0o500);
    expect(await refusalOf(() => holdFolder(root))).to.contain('make it writable');
    chmodSync(root, 0o700);
  });
});
