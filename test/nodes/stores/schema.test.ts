/** What becomes of stores of older versions, of newer ones, and of other kinds. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect } from 'chai';
import { open } from 'lmdb';
import { connect } from 'nats';

import { currentSchema, type Schema } from '../../../nodes/stores/schema.ts';
import { StoreFailed } from '../../../runtime/errors.ts';
import { JetStreamStage } from '../../conformance/store-harness.ts';
import { openPlace, type StorePlace } from '../../conformance/store-places.ts';
import { variantOf } from '../../support/variants.ts';

/** Two versions on: the first step renames and rewrites, the second leaves out. */
const later: Schema = {
  version: currentSchema.version + 2,
  steps: [
    ...currentSchema.steps,
    {
      from: currentSchema.version,
      why: 'things are called items',
      migrate: ({ key, value }) =>
        key.startsWith('thing/')
          ? { key: key.replace('thing/', 'item/'), value: { old: value } }
          : { key, value },
    },
    {
      from: currentSchema.version + 1,
      why: 'nobody needs temporary ones',
      migrate: (record) => (record.key.startsWith('temporary/') ? undefined : record),
    },
  ],
};

async function refusalOf(promise: Promise<unknown>): Promise<string> {
  const error: unknown = await promise.then(
    () => undefined,
    (failure: unknown) => failure,
  );
  expect(error).to.be.instanceOf(StoreFailed);
  return (error as Error).message;
}

/** What both kinds of store do with a schema. */
function describeMigration(makePlace: () => StorePlace): void {
  it('goes through every step from the version found, once', async () => {
    const place = makePlace();
    const before = await openPlace(place);
    for (const key of ['thing/1', 'thing/2', 'temporary/1', 'kept/1']) {
      await before.put(key, key, 'absent');
    }
    await before.close();
    for (let opened = 0; opened < 2; opened += 1) {
      const after = await openPlace(place, later);
      expect((await after.list('')).map(({ key, value }) => [key, value])).to.deep.equal([
        ['item/1', { old: 'thing/1' }],
        ['item/2', { old: 'thing/2' }],
        ['kept/1', 'kept/1'],
      ]);
      const [first] = await after.list('item/');
      expect((await after.put('item/1', 'new', first?.revision ?? 0)).ok).to.equal(true);
      await after.put('item/1', { old: 'thing/1' }, 'any');
      await after.close();
    }
  });

  it('refuses a store of a newer version, and leaves it as it is', async () => {
    const place = makePlace();
    const newer = await openPlace(place, later);
    await newer.put('item/1', 1, 'any');
    await newer.close();
    const message = await refusalOf(openPlace(place));
    expect(message)
      .to.contain(`version ${String(later.version)}`)
      .and.contain('newer infaas');
    const again = await openPlace(place, later);
    expect(await again.list('')).to.have.length(1);
    await again.close();
  });

  it('refuses a store so old that no step leads on', async () => {
    const place = makePlace();
    await (await openPlace(place)).close();
    const { version } = later;
    const message = await refusalOf(openPlace(place, { version, steps: later.steps.slice(-1) }));
    expect(message).to.contain(`version ${String(currentSchema.version)}`);
    await (await openPlace(place)).close();
  });
}

describe('the schema of an lmdb store', () => {
  const folders: string[] = [];
  const makeFolder = (): string => {
    const folder = mkdtempSync(join(tmpdir(), 'infaas-schema-'));
    folders.push(folder);
    return folder;
  };
  after(() => {
    for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  });

  describeMigration(() => ({ kind: 'lmdb', folder: makeFolder() }));

  /** As the controller of version 0.1 wrote it. */
  async function writeFirstVersion(folder: string): Promise<void> {
    const database = open({ path: folder, noSubdir: false, encoding: 'msgpack' });
    database.putSync('meta/kind', 'lmdb/1');
    const epoch = { node: 'worker-1', epoch: 3, incarnation: 'i', requestId: 'r', grantedAtMs: 5 };
    await database.put('epoch/worker-1', epoch);
    await database.put('variant/a b', variantOf('a b'));
    await database.put('variant/é', variantOf('é'));
    await database.close();
  }

  it('takes over a folder of version 1, records and all', async () => {
    const folder = makeFolder();
    await writeFirstVersion(folder);
    const store = await openPlace({ kind: 'lmdb', folder });
    expect((await store.list('')).map(({ key }) => key)).to.deep.equal([
      ...['epoch/worker-1', 'variant/a b', 'variant/é'],
    ]);
    expect((await store.get('epoch/worker-1'))?.value).to.include({ epoch: 3, incarnation: 'i' });
    expect((await store.get('variant/é'))?.value).to.deep.include({ id: 'é', adapter: {} });
    await store.close();
    // What read version 1 must not take this for it.
    const database = open<string>({ path: folder, noSubdir: false, encoding: 'msgpack' });
    expect(database.get('meta/kind')).to.equal(`lmdb/${String(currentSchema.version)}`);
    expect(database.get('variant/é')).to.equal(undefined);
    await database.close();
  });

  it('leaves a folder of version 1 untouched when a step fails', async () => {
    const folder = makeFolder();
    await writeFirstVersion(folder);
    const failing: Schema = {
      version: 2,
      steps: [
        {
          from: 1,
          why: 'to fail in the middle',
          migrate: (record) => {
            if (record.key === 'variant/é') throw new Error('no way on');
            return record;
          },
        },
      ],
    };
    const message = await refusalOf(openPlace({ kind: 'lmdb', folder }, failing));
    expect(message).to.contain('no way on');
    const store = await openPlace({ kind: 'lmdb', folder });
    expect(await store.list('')).to.have.length(3);
    await store.close();
  });

  it('refuses a folder of another kind', async () => {
    const folder = makeFolder();
    const database = open({ path: folder, noSubdir: false, encoding: 'msgpack' });
    database.putSync('meta/kind', 'something/1');
    await database.close();
    const message = await refusalOf(openPlace({ kind: 'lmdb', folder }));
    expect(message).to.contain('something/1').and.contain('another --data');
  });
});

describe('the schema of a JetStream store', function () {
  this.timeout(20_000);
  const stage = new JetStreamStage();
  before(() => stage.start());
  after(() => stage.stop());

  describeMigration(() => stage.place());

  it('begins a migration again that died in the middle', async () => {
    const place = stage.place();
    const before = await openPlace(place);
    for (const key of ['thing/1', 'thing/2', 'thing/3']) await before.put(key, key, 'absent');
    await before.close();
    let migrated = 0;
    const dying: Schema = {
      ...later,
      steps: later.steps.map((step) => ({
        ...step,
        migrate: (record) => {
          migrated += 1;
          if (migrated === 4) throw new Error('died here');
          return step.migrate(record);
        },
      })),
    };
    expect(await refusalOf(openPlace(place, dying))).to.contain('died here');
    const after = await openPlace(place, later);
    expect((await after.list('')).map(({ value }) => value)).to.deep.equal([
      ...['thing/1', 'thing/2', 'thing/3'].map((old) => ({ old })),
    ]);
    await after.close();
  });

  it('refuses a bucket that is another kind of store', async () => {
    const place = stage.place();
    const connection = await connect({ servers: place.url });
    const kv = await connection.jetstream().views.kv(place.bucket);
    await kv.put('=store', JSON.stringify({ kind: 'shopping-list', version: 1 }));
    expect(await refusalOf(openPlace(place))).to.contain('shopping-list');
    await connection.close();
  });
});
