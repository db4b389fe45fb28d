/** `--data` and the kind of store it belongs to. */

import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect } from 'chai';
import { connect, type NatsConnection } from 'nats';

import { storeConfigSchema, type StoreKind } from '../../../nodes/stores/config.ts';
import type { MetadataStore } from '../../../nodes/stores/metadata-store.ts';
import { openMetadataStore } from '../../../nodes/stores/open-metadata-store.ts';
import { StoreFailed } from '../../../runtime/errors.ts';
import { silentLogger } from '../../../runtime/log.ts';
import { JetStreamStage } from '../../conformance/store-harness.ts';

describe('opening the metadata store', function () {
  this.timeout(20_000);
  const stage = new JetStreamStage();
  let connection: NatsConnection;
  let dataDir: string;

  before(async () => {
    await stage.start();
    connection = await connect({ servers: stage.server?.url ?? '' });
  });
  after(async () => {
    await connection.close();
    await stage.stop();
  });
  beforeEach(() => {
    dataDir = mkdtempSync(join(tmpdir(), 'infaas-open-'));
  });
  afterEach(() => {
    rmSync(dataDir, { recursive: true, force: true });
  });

  const openKind = (kind: StoreKind, over?: NatsConnection): Promise<MetadataStore> =>
    openMetadataStore({
      ...{ dataDir, config: storeConfigSchema.parse({ kind }), connection: over },
      log: silentLogger,
    });

  async function refusalOf(kind: StoreKind, over?: NatsConnection): Promise<string> {
    const error: unknown = await openKind(kind, over).then(
      () => undefined,
      (failure: unknown) => failure,
    );
    expect(error).to.be.instanceOf(StoreFailed);
    return (error as Error).message;
  }

  it('records the kind, whichever it is, and refuses the other', async () => {
    await (await openKind('lmdb')).close();
    expect(readFileSync(join(dataDir, 'store-kind'), 'utf8')).to.equal('lmdb\n');
    const message = await refusalOf('jetstream', connection);
    expect(message).to.contain(dataDir).and.contain('set store.kind to lmdb');
    await (await openKind('lmdb')).close();
  });

  it('keeps records on the server when asked to, and refuses lmdb there then', async () => {
    const store = await openKind('jetstream', connection);
    await store.put('a', 1, 'any');
    await store.close();
    expect(await refusalOf('lmdb')).to.contain('set store.kind to jetstream');
    const again = await openKind('jetstream', connection);
    expect((await again.get('a'))?.value).to.equal(1);
    await again.close();
  });

  it('takes a folder with a database and without a recorded kind for lmdb', async () => {
    await (await openKind('lmdb')).close();
    rmSync(join(dataDir, 'store-kind'));
    expect(await refusalOf('jetstream', connection)).to.contain('kind lmdb');
    await (await openKind('lmdb')).close();
  });

  it('refuses a store on a server where there is no server, and records nothing', async () => {
    expect(await refusalOf('jetstream')).to.contain('--nats URL');
    await (await openKind('lmdb')).close();
  });

  it('refuses a kind it does not know, and a folder that is open already', async () => {
    const store = await openKind('lmdb');
    expect(await refusalOf('lmdb')).to.contain('in use by this process');
    await store.close();
    writeFileSync(join(dataDir, 'store-kind'), 'papyrus');
    expect(await refusalOf('lmdb')).to.contain('papyrus');
  });

  it('refuses a database that is none, or that was cut off, instead of dying of it', async () => {
    const file = join(dataDir, 'data.mdb');
    for (const size of [1, 100, 4_096, 100_000]) {
      writeFileSync(file, 'x'.repeat(size));
      expect(await refusalOf('lmdb')).to.contain('no lmdb database');
    }
    rmSync(file);
    const store = await openKind('lmdb');
    for (let at = 0; at < 200; at += 1)
      await store.put(`k/${String(at)}`, 'x'.repeat(3_000), 'any');
    await store.close();
    const whole = readFileSync(file);
    for (const share of [0.3, 0.6, 0.99]) {
      truncateSync(file, Math.floor(whole.length * share));
      expect(await refusalOf('lmdb')).to.contain('cut off');
      writeFileSync(file, whole);
    }
    const again = await openKind('lmdb');
    expect(await again.list('')).to.have.length(200);
    await again.close();
  });
});
