/**
 * Where the models of registered variants lie: a folder each, called after what is in it, so that
 * the same model is kept once and a changed one is another. A folder appears whole, by its rename,
 * when its files are on disk.
 */

import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import {
  copyFile,
  link,
  mkdir,
  mkdtemp,
  open,
  readdir,
  rename,
  rm,
  stat,
  utimes,
} from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

import type { BesideFile, ModelFile } from '../../actors/domain/variant.ts';

export class KeptModels {
  private readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  /** Keeps a model and the files, by name, that lie in its folder with it. */
  async keep(path: string, besideNames: readonly string[]): Promise<ModelFile> {
    const sha256 = await hashFile(path);
    let { size: bytes } = await stat(path);
    const beside: BesideFile[] = [];
    for (const name of besideNames) {
      const from = join(dirname(path), name);
      const { size } = await stat(from);
      beside.push({ name, sha256: await hashFile(from), bytes: size });
      bytes += size;
    }
    const name = basename(path);
    const id = folderNameOf(name, sha256, beside);
    const folder = join(this.folder, id);
    if (await isThere(folder)) {
      // So that `collect` sees that somebody wants it just now.
      await utimes(folder, new Date(), new Date());
    } else {
      await this.place(folder, path, [name, ...besideNames]);
    }
    const file = { path: join(folder, name), sha256, bytes };
    return beside.length === 0 ? file : { ...file, beside };
  }

  /** Removes what none of `kept` lies in and what has not been wanted for `graceMs`. */
  async collect(kept: readonly ModelFile[], graceMs: number, wallMs: number): Promise<number> {
    const wanted = new Set(kept.map(({ path }) => dirname(path)));
    let removed = 0;
    for (const name of await namesIn(this.folder)) {
      const folder = join(this.folder, name);
      if (wanted.has(folder)) continue;
      const { mtimeMs } = await stat(folder);
      if (wallMs - mtimeMs < graceMs) continue;
      await rm(folder, { recursive: true, force: true });
      removed += 1;
    }
    return removed;
  }

  private async place(folder: string, path: string, names: readonly string[]): Promise<void> {
    await mkdir(this.folder, { recursive: true });
    const half = await mkdtemp(join(this.folder, '.half-'));
    try {
      for (const name of names) {
        const to = join(half, name);
        await mkdir(dirname(to), { recursive: true });
        await linkOrCopy(join(dirname(path), name), to);
        await flush(to);
      }
      await rename(half, folder);
    } catch (error) {
      await rm(half, { recursive: true, force: true });
      // Somebody else put the same there meanwhile: it is the same.
      if (!(await isThere(folder))) throw error;
    }
    await flush(this.folder);
  }
}

function folderNameOf(name: string, sha256: string, beside: readonly BesideFile[]): string {
  const hash = createHash('sha256').update(`${name}\n${sha256}\n`);
  for (const file of beside) hash.update(`${file.name}\n${file.sha256}\n`);
  return hash.digest('hex');
}

export async function hashFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

/** A link costs neither time nor room; other file systems take a copy. */
async function linkOrCopy(from: string, to: string): Promise<void> {
  try {
    await link(from, to);
  } catch {
    await copyFile(from, to);
  }
}

async function flush(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function isThere(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch {
    return false;
  }
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch {
    return [];
  }
}
