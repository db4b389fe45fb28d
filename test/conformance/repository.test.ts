/** The model repository's contract on both we ship, and on broken ones, which must not pass it. */

import { copyFileSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { expect } from 'chai';
import { connect } from 'nats';

import { openJetStreamRepository } from '../../nodes/stores/jetstream-repository.ts';
import type { ModelRepository } from '../../nodes/stores/model-repository.ts';
import { partOf } from '../../nodes/stores/receive-blob.ts';
import { createSystemClock } from '../../nodes/adapters/system-clock.ts';
import { StoreFailed } from '../../runtime/errors.ts';
import {
  directoryHarness,
  jetStreamHarness,
  segmentBytes,
  type WrapRepository,
  writeBlob,
} from './repository-harness.ts';
import { describeRepository, repositoryCases } from './repository-suite.ts';
import { JetStreamStage } from './store-harness.ts';

describeRepository('a folder', () => directoryHarness());

describe('with a real nats-server', function () {
  this.timeout(30_000);
  const stage = new JetStreamStage();
  before(() => stage.start());
  after(() => stage.stop());
  describeRepository('JetStream object store', () => jetStreamHarness(stage));

  it('goes on both ways after the server was killed in the middle', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'infaas-repository-'));
    const { url, bucket } = stage.place();
    const connection = await connect({
      ...{ servers: url, maxReconnectAttempts: -1, reconnectTimeWait: 50 },
    });
    const repository = await openJetStreamRepository({
      ...{ connection, bucket, replicas: 1, segmentBytes, idleMs: 1_000 },
      clock: createSystemClock(),
    });
    const { id, file, bytes } = writeBlob(folder, 'blob', 60 * segmentBytes);
    const fetched = join(folder, 'fetched');
    for (const transfer of [
      (onProgress: (doneBytes: number) => void) =>
        repository.putFile(file, { onProgress: ({ doneBytes }) => onProgress(doneBytes) }),
      (onProgress: (doneBytes: number) => void) =>
        repository.fetchTo(id, fetched, { onProgress: ({ doneBytes }) => onProgress(doneBytes) }),
    ]) {
      let crashed: Promise<void> | undefined;
      const error: unknown = await transfer((doneBytes) => {
        if (doneBytes >= bytes / 2) crashed ??= stage.crash();
      }).then(
        () => undefined,
        (failure: unknown) => failure,
      );
      await crashed;
      // A crash between two segments may go by unnoticed.
      if (error !== undefined) expect(error).to.be.instanceOf(StoreFailed);
      await transfer(() => undefined);
    }
    expect(await repository.list()).to.deep.equal([{ id, bytes }]);
    await connection.close();
    rmSync(folder, { recursive: true, force: true });
  });
});

/** A good repository but for what is overridden. */
function but(flaws: (good: ModelRepository) => Partial<ModelRepository>): WrapRepository {
  return (good) => Object.assign(Object.create(good) as ModelRepository, flaws(good));
}

const broken: readonly { readonly flaw: string; readonly wrap: WrapRepository }[] = [
  {
    flaw: 'hands out whatever it has',
    wrap: but((good) => ({
      fetchTo: async (id, file, call) => {
        try {
          return await good.fetchTo(id, file, call);
        } catch (error) {
          writeFileSync(file, 'something');
          if (!String(error).includes('do not hash')) throw error;
          return { id, bytes: 9 };
        }
      },
    })),
  },
  {
    flaw: 'shows a part where the file is to be',
    wrap: but((good) => ({
      fetchTo: async (id, file, call) => {
        try {
          return await good.fetchTo(id, file, call);
        } catch (error) {
          const part = partOf(file, id);
          if (existsSync(part)) copyFileSync(part, file);
          throw error;
        }
      },
    })),
  },
  {
    flaw: 'begins every transfer anew',
    wrap: but((good) => ({
      fetchTo: (id, file, call) => {
        mkdirSync(dirname(file), { recursive: true });
        rmSync(partOf(file, id), { force: true });
        return good.fetchTo(id, file, call);
      },
    })),
  },
  {
    flaw: 'collects what is young',
    wrap: but((good) => ({ collect: (used) => good.collect(used, -9e9) })),
  },
  {
    flaw: 'collects what is used',
    wrap: but((good) => ({ collect: (_used, graceMs) => good.collect(new Set(), graceMs) })),
  },
  { flaw: 'collects nothing', wrap: but(() => ({ collect: () => Promise.resolve([]) })) },
  { flaw: 'believes to have everything', wrap: but(() => ({ has: () => Promise.resolve(true) })) },
  { flaw: 'lists nothing', wrap: but(() => ({ list: () => Promise.resolve([]) })) },
  {
    flaw: 'tells nothing of its progress',
    wrap: but((good) => ({ putFile: (file) => good.putFile(file) })),
  },
];

describe("the model repository's suite", () => {
  for (const { flaw, wrap } of broken) {
    it(`notices a repository that ${flaw}`, async () => {
      let noticed: string | undefined;
      for (const { name, run } of repositoryCases) {
        const harness = await directoryHarness(wrap);
        await run(harness).catch(() => (noticed = name));
        await harness.close();
        if (noticed !== undefined) break;
      }
      expect(noticed).to.be.a('string');
    });
  }
});
