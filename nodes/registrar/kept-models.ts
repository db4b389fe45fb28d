/**
 * Where the models of registered variants lie: in a repository of this machine, each blob once, and
 * in the repository that workers of other machines fetch from, where there is one. A model of
 * several files has a folder besides, in which they have their names.
 */

import { readdir, rm, stat, utimes } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

import type { BesideFile, ModelFile } from '../../actors/domain/variant.ts';
import { BlobMissing } from '../../runtime/errors.ts';
import type { DirectoryRepository } from '../stores/directory-repository.ts';
import { isThere, modelFolderName, placeModelFolder } from '../stores/model-folder.ts';
import type { ModelRepository, TransferCall } from '../stores/model-repository.ts';
import { blobsOf } from '../stores/model-files.ts';

export interface KeptModelsOptions {
  /** On this machine: what is kept lies there, and is read in place by workers beside it. */
  readonly repository: DirectoryRepository;
  /** Of the folders of models of several files; the repository may lie in the same. */
  readonly folder: string;
  /** For workers elsewhere. */
  readonly shared: ModelRepository | undefined;
}

export class KeptModels {
  private readonly options: KeptModelsOptions;

  constructor(options: KeptModelsOptions) {
    this.options = options;
  }

  /** Keeps a model and the files, by name, that lie in its folder with it. */
  async keep(
    path: string,
    besideNames: readonly string[],
    call?: TransferCall,
  ): Promise<ModelFile> {
    const { repository, folder } = this.options;
    const model = await this.put(path, call);
    const beside: BesideFile[] = [];
    for (const name of besideNames) {
      const { id, bytes } = await this.put(join(dirname(path), name), call);
      beside.push({ name, sha256: id, bytes });
    }
    const kept = { path: repository.pathOf(model.id), sha256: model.id, bytes: model.bytes };
    if (beside.length === 0) return kept;
    const bytes = beside.reduce((sum, file) => sum + file.bytes, model.bytes);
    const file: ModelFile = { ...kept, bytes, beside };
    const name = basename(path);
    const place = join(folder, modelFolderName(name, file));
    if (await isThere(place)) {
      // So that `collect` sees that somebody wants it just now.
      await utimes(place, new Date(), new Date());
    }
    await placeModelFolder(place, [
      { name, from: repository.pathOf(model.id) },
      ...beside.map((part) => ({ name: part.name, from: repository.pathOf(part.sha256) })),
    ]);
    return { ...file, path: join(place, name) };
  }

  /**
   * Puts what other machines do not have into the shared repository: models that came with a
   * manifest, and those from a time without one. Gives how many blobs it were.
   */
  async publish(files: readonly ModelFile[]): Promise<number> {
    const { shared } = this.options;
    if (shared === undefined || files.length === 0) return 0;
    const there = new Set((await shared.list()).map(({ id }) => id));
    let published = 0;
    for (const file of files) {
      for (const { id, path } of blobsOf(file)) {
        if (there.has(id)) continue;
        there.add(id);
        const facts = await shared.putFile(path);
        if (facts.id !== id) {
          throw new BlobMissing(`${path} is not the registered file any more (${id})`, path);
        }
        published += 1;
      }
    }
    return published;
  }

  /** Removes what belongs to none of `kept` and has not been wanted for `graceMs`. */
  async collect(kept: readonly ModelFile[], graceMs: number, wallMs: number): Promise<number> {
    const { repository, shared } = this.options;
    const referenced = new Set(kept.flatMap((file) => blobsOf(file).map(({ id }) => id)));
    const removed = await repository.collect(referenced, graceMs);
    await shared?.collect(referenced, graceMs);
    return removed.length + (await this.collectFolders(kept, graceMs, wallMs));
  }

  private async collectFolders(
    kept: readonly ModelFile[],
    graceMs: number,
    wallMs: number,
  ): Promise<number> {
    const wanted = new Set(kept.map(({ path }) => dirname(path)));
    let removed = 0;
    for (const name of await namesIn(this.options.folder)) {
      const place = join(this.options.folder, name);
      if (!isModelFolder(name) || wanted.has(place)) continue;
      const { mtimeMs } = await stat(place);
      if (wallMs - mtimeMs < graceMs) continue;
      await rm(place, { recursive: true, force: true });
      removed += 1;
    }
    return removed;
  }

  private async put(path: string, call?: TransferCall) {
    const facts = await this.options.repository.putFile(path, call);
    await this.options.shared?.putFile(path, call);
    return facts;
  }
}

/** Whole, or what a crash left of one. */
function isModelFolder(name: string): boolean {
  return /^[0-9a-f]{64}$/.test(name) || name.startsWith('.half-');
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch {
    return [];
  }
}
