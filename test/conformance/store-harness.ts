/** What a case of the metadata store's suite works with, and the two stores it is proved on. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { type NatsServer, startNatsServer } from '../../nodes/adapters/nats-server.ts';
import type { MetadataStore } from '../../nodes/stores/metadata-store.ts';
import { silentLogger } from '../../runtime/log.ts';
import { openPlace, type StorePlace } from './store-places.ts';

export interface StoreHarness {
  /** As another writer would; for lmdb, whose folder one process holds, always the same store. */
  open(): Promise<MetadataStore>;
  /** Closes every store, so that the next `open` reads what is really kept. */
  closeAll(): Promise<void>;
  readonly place: StorePlace;
  /** How long something that must happen may take, in milliseconds. */
  readonly patienceMs: number;
  close(): Promise<void>;
}

export interface StoreCase {
  readonly name: string;
  run(harness: StoreHarness): Promise<void>;
}

export function lmdbHarness(flaw?: string, patienceMs = 5_000): Promise<StoreHarness> {
  const folder = mkdtempSync(join(tmpdir(), 'infaas-lmdb-'));
  const place: StorePlace = { kind: 'lmdb', folder, flaw };
  let opened: Promise<MetadataStore> | undefined;
  const closeAll = async (): Promise<void> => {
    await (await opened)?.close();
    opened = undefined;
  };
  return Promise.resolve({
    ...{ place, patienceMs, closeAll },
    open: () => (opened ??= openPlace(place)),
    close: async () => {
      await closeAll();
      rmSync(folder, { recursive: true, force: true });
    },
  });
}

/** One server for many harnesses: each has a bucket of its own. */
export class JetStreamStage {
  private readonly folder = mkdtempSync(join(tmpdir(), 'infaas-jetstream-'));
  private buckets = 0;
  server: NatsServer | undefined;

  async start(): Promise<void> {
    this.server = await startNatsServer({ log: silentLogger, dataDir: this.folder });
  }

  async stop(): Promise<void> {
    await this.server?.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** As it is after a crash: killed, and started anew on the same port with what it has on disk. */
  async crash(): Promise<void> {
    const { url = '', pid = 0 } = this.server ?? {};
    process.kill(pid, 'SIGKILL');
    await this.server?.stop();
    const port = Number(new URL(url).port);
    this.server = await startNatsServer({ log: silentLogger, dataDir: this.folder, port });
  }

  place(): StorePlace & { readonly kind: 'jetstream' } {
    this.buckets += 1;
    const bucket = `suite-${String(this.buckets)}`;
    return { kind: 'jetstream', url: this.server?.url ?? '', bucket };
  }

  harness(): Promise<StoreHarness> {
    const place = this.place();
    const opened: MetadataStore[] = [];
    const closeAll = async (): Promise<void> => {
      for (const store of opened.splice(0)) await store.close();
    };
    return Promise.resolve({
      ...{ place, patienceMs: 10_000, closeAll, close: closeAll },
      open: async () => {
        const store = await openPlace(place);
        opened.push(store);
        return store;
      },
    });
  }
}
