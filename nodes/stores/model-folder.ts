/**
 * Models of several files: a folder each, called after what is in it, with every file under its own
 * name, since a graph names the files beside it. A folder appears whole, by its rename, when its
 * files are on disk.
 */

import { createHash } from 'node:crypto';
import { copyFile, link, mkdir, mkdtemp, open, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import type { ModelFile } from '../../actors/domain/variant.ts';

/** A file of a model: what it is called there, and where its bytes are now. */
export interface ModelPart {
  readonly name: string;
  readonly from: string;
}

/** The same for the same files under the same names. */
export function modelFolderName(name: string, { sha256, beside = [] }: ModelFile): string {
  const hash = createHash('sha256').update(`${name}\n${sha256}\n`);
  for (const file of beside) hash.update(`${file.name}\n${file.sha256}\n`);
  return hash.digest('hex');
}

/** Makes `folder` of links to the parts, or of copies; nothing happens where it is there. */
export async function placeModelFolder(folder: string, parts: readonly ModelPart[]): Promise<void> {
  if (await isThere(folder)) return;
  await mkdir(dirname(folder), { recursive: true });
  const half = await mkdtemp(join(dirname(folder), '.half-'));
  try {
    for (const { name, from } of parts) {
      const to = join(half, name);
      await mkdir(dirname(to), { recursive: true });
      await linkOrCopy(from, to);
      await flush(to);
    }
    await rename(half, folder);
  } catch (error) {
    await rm(half, { recursive: true, force: true });
    // Somebody else put the same there meanwhile: it is the same.
    if (!(await isThere(folder))) throw error;
  }
  await flush(dirname(folder));
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

export async function isThere(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch {
    return false;
  }
}
