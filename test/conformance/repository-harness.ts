/** What a case of the model repository's suite works with, and the two it is proved on. */

import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { connect } from 'nats';

import { openDirectoryRepository } from '../../nodes/stores/directory-repository.ts';
import { openJetStreamRepository } from '../../nodes/stores/jetstream-repository.ts';
import type { BlobFacts, BlobId, ModelRepository } from '../../nodes/stores/model-repository.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { JetStreamStage } from './store-harness.ts';

export interface RepositoryHarness {
  readonly repository: ModelRepository;
  /** A folder for files of the case. */
  readonly folder: string;
  /** Changes what is kept of a blob behind the repository's back. */
  damage(id: BlobId, change: (bytes: Buffer) => Buffer): Promise<void>;
  /** Moves the repository's time on. */
  wait(ms: number): void;
  close(): Promise<void>;
}

export interface RepositoryCase {
  readonly name: string;
  run(harness: RepositoryHarness): Promise<void>;
}

export type WrapRepository = (repository: ModelRepository) => ModelRepository;

export const segmentBytes = 64 * 1024;

/** A file of that many bytes, each different enough from its neighbours. */
export function writeBlob(
  folder: string,
  name: string,
  bytes: number,
): BlobFacts & { file: string } {
  const content = Buffer.alloc(bytes);
  for (let at = 0; at < bytes; at += 1) content[at] = (at * 31 + (at >> 8) * 7 + name.length) & 255;
  content.write(name.slice(0, bytes));
  const file = join(folder, name);
  writeFileSync(file, content);
  return { file, bytes, id: createHash('sha256').update(content).digest('hex') };
}

export function filesIn(folder: string): string[] {
  return readdirSync(folder).sort();
}

/** Real time, moved on by hand: files bear the time of the machine. */
class ShiftedClock implements Clock {
  shiftMs = 0;

  nowMs(): number {
    return this.wallMs();
  }

  wallMs(): number {
    return Date.now() + this.shiftMs;
  }

  schedule(): never {
    throw new Error('nothing waits here');
  }
}

export function directoryHarness(
  wrap: WrapRepository = (good) => good,
): Promise<RepositoryHarness> {
  const root = mkdtempSync(join(tmpdir(), 'infaas-repository-'));
  const clock = new ShiftedClock();
  const kept = join(root, 'kept');
  const repository = wrap(openDirectoryRepository({ folder: kept, clock }));
  const folder = mkdtempSync(join(root, 'case-'));
  return Promise.resolve({
    ...{ repository, folder },
    damage: (id, change) => {
      const file = join(kept, id.slice(0, 2), id);
      writeFileSync(file, change(readFileSync(file)));
      return Promise.resolve();
    },
    wait: (ms) => {
      clock.shiftMs += ms;
    },
    close: async () => {
      await repository.close();
      rmSync(root, { recursive: true, force: true });
    },
  });
}

export async function jetStreamHarness(stage: JetStreamStage): Promise<RepositoryHarness> {
  const { url, bucket } = stage.place();
  const root = mkdtempSync(join(tmpdir(), 'infaas-repository-'));
  const clock = new ShiftedClock();
  const connection = await connect({ servers: url, maxReconnectAttempts: -1 });
  const repository = await openJetStreamRepository({
    ...{ connection, bucket, replicas: 1, segmentBytes, idleMs: 3_000, clock },
  });
  const objects = await connection.jetstream().views.os(bucket);
  return {
    ...{ repository, folder: root },
    damage: async (id, change) => {
      // The last segment: what is before it arrives, and must not be seen.
      const names = (await objects.list()).map(({ name }) => name);
      const last =
        names
          .filter((name) => name.startsWith(`${id}/`))
          .sort(bySegment)
          .at(-1) ?? '';
      const bytes = (await objects.getBlob(last)) ?? new Uint8Array();
      await objects.putBlob({ name: last }, change(Buffer.from(bytes)));
    },
    wait: (ms) => {
      clock.shiftMs += ms;
    },
    close: async () => {
      await repository.close();
      await connection.close();
      rmSync(root, { recursive: true, force: true });
    },
  };
}

function bySegment(a: string, b: string): number {
  return Number(a.split('/').at(-1)) - Number(b.split('/').at(-1));
}
