/**
 * What every model repository must do, as a list of cases that can be run against any of them: a
 * folder, the JetStream object store, and the broken ones, each of which must fail.
 */

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { expect } from 'chai';

import type { TransferCall } from '../../nodes/stores/model-repository.ts';
import { BlobCorrupt, BlobMissing, StoreFailed } from '../../runtime/errors.ts';
import {
  filesIn,
  type RepositoryCase,
  type RepositoryHarness,
  segmentBytes,
  writeBlob,
} from './repository-harness.ts';

/** Nearly four segments. */
const largeBytes = 4 * segmentBytes - 17;
const graceMs = 60_000;

async function failureOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error,
  );
}

/** A call that is broken off once so many bytes are there. */
function brokenAfter(bytes: number): TransferCall {
  const abort = new AbortController();
  return {
    signal: abort.signal,
    onProgress: ({ doneBytes }) => {
      if (doneBytes >= bytes) abort.abort();
    },
  };
}

/** The first thing a transfer says of itself: where it begins. */
function beginsAt(): TransferCall & { readonly said: number[] } {
  const said: number[] = [];
  return { said, onProgress: ({ doneBytes }) => void said.push(doneBytes) };
}

const cases: RepositoryCase[] = [
  {
    name: 'gives back what was stored, whatever its size',
    async run({ repository, folder }) {
      const sizes = [0, 1, segmentBytes - 1, segmentBytes, segmentBytes + 1, largeBytes];
      for (const bytes of sizes) {
        const blob = writeBlob(folder, `blob-${String(bytes)}`, bytes);
        const { id } = blob;
        expect(await repository.has(id)).to.equal(false);
        expect(await repository.putFile(blob.file)).to.deep.equal({ id, bytes });
        expect(await repository.has(id)).to.equal(true);
        const file = join(folder, 'fetched', String(bytes));
        expect(await repository.fetchTo(id, file)).to.deep.equal({ id, bytes });
        expect(readFileSync(file).equals(readFileSync(blob.file))).to.equal(true);
      }
      expect(filesIn(join(folder, 'fetched'))).to.have.length(sizes.length);
      const listed = (await repository.list()).map(({ bytes }) => bytes);
      expect(listed.sort((a, b) => a - b)).to.deep.equal(sizes);
    },
  },
  {
    name: 'tells how far a transfer is, both ways, to the end',
    async run({ repository, folder }) {
      const { file, id, bytes } = writeBlob(folder, 'blob', largeBytes);
      for (const transfer of [
        (call: TransferCall) => repository.putFile(file, call),
        (call: TransferCall) => repository.fetchTo(id, join(folder, 'fetched'), call),
      ]) {
        const said: number[] = [];
        await transfer({
          onProgress: ({ doneBytes, totalBytes }) => {
            said.push(doneBytes);
            expect(totalBytes).to.equal(bytes);
          },
        });
        expect(said.at(-1)).to.equal(bytes);
        expect(said).to.deep.equal([...said].sort((a, b) => a - b));
      }
    },
  },
  {
    name: 'takes the same bytes again for what it has',
    async run({ repository, folder }) {
      const { file, id, bytes } = writeBlob(folder, 'blob', largeBytes);
      await repository.putFile(file);
      const again = join(folder, 'other-name');
      writeFileSync(again, readFileSync(file));
      expect(await repository.putFile(again)).to.deep.equal({ id, bytes });
      expect(await repository.list()).to.deep.equal([{ id, bytes }]);
    },
  },
  {
    name: 'refuses a flipped byte and a truncated blob, shows no file, and heals when stored anew',
    async run({ repository, folder, damage }) {
      const { file, id } = writeBlob(folder, 'blob', largeBytes);
      const changes = [
        (bytes: Buffer) => {
          bytes[100] = (bytes[100] ?? 0) ^ 1;
          return bytes;
        },
        (bytes: Buffer) => bytes.subarray(0, bytes.length - 1),
        (bytes: Buffer) => Buffer.concat([bytes, Buffer.of(0)]),
      ];
      for (const change of changes) {
        await repository.putFile(file);
        await damage(id, change);
        const fetched = join(folder, 'out', 'fetched');
        for (let tries = 0; tries < 2; tries += 1) {
          expect(await failureOf(repository.fetchTo(id, fetched))).to.be.instanceOf(BlobCorrupt);
          expect(filesIn(join(folder, 'out'))).to.deep.equal([]);
        }
        await repository.putFile(file);
        await repository.fetchTo(id, join(folder, 'healed'));
      }
    },
  },
  {
    name: 'goes on with a transfer that broke, and never shows a part',
    async run({ repository, folder }) {
      const { file, id } = writeBlob(folder, 'blob', 40 * segmentBytes);
      await repository.putFile(file);
      const fetched = join(folder, 'out', 'fetched');
      const error = await failureOf(
        repository.fetchTo(id, fetched, brokenAfter(20 * segmentBytes)),
      );
      expect(error).to.be.instanceOf(Error);
      expect(filesIn(join(folder, 'out'))).to.not.include('fetched');
      const call = beginsAt();
      await repository.fetchTo(id, fetched, call);
      expect(call.said[0]).to.be.at.least(16 * segmentBytes);
      expect(readFileSync(fetched).equals(readFileSync(file))).to.equal(true);
      expect(filesIn(join(folder, 'out'))).to.deep.equal(['fetched']);
    },
  },
  {
    name: 'begins anew where what a broken transfer left is wrong',
    async run({ repository, folder }) {
      const { file, id } = writeBlob(folder, 'blob', 40 * segmentBytes);
      await repository.putFile(file);
      const fetched = join(folder, 'out', 'fetched');
      const lengthen = (part: Buffer): Buffer => Buffer.concat([part, Buffer.alloc(1 << 23)]);
      const flip = (part: Buffer): Buffer => Buffer.concat([Buffer.of(9), part.subarray(1)]);
      for (const spoil of [flip, lengthen]) {
        await failureOf(repository.fetchTo(id, fetched, brokenAfter(20 * segmentBytes)));
        const [part = ''] = filesIn(join(folder, 'out')).filter((name) => name.endsWith('.part'));
        const path = join(folder, 'out', part);
        writeFileSync(path, spoil(readFileSync(path)));
        await repository.fetchTo(id, fetched);
        expect(readFileSync(fetched).equals(readFileSync(file))).to.equal(true);
        writeFileSync(fetched, 'gone');
      }
    },
  },
  {
    name: 'leaves a file that is right already as it is, and replaces one that is not',
    async run({ repository, folder }) {
      const { file, id } = writeBlob(folder, 'blob', 1_000);
      await repository.putFile(file);
      const fetched = join(folder, 'fetched');
      writeFileSync(fetched, 'something else');
      await repository.fetchTo(id, fetched);
      const call = beginsAt();
      await repository.fetchTo(id, fetched, call);
      expect(call.said).to.deep.equal([]);
      expect(readFileSync(fetched).equals(readFileSync(file))).to.equal(true);
    },
  },
  {
    name: 'says what is missing, and what is no address',
    async run({ repository, folder }) {
      const { id } = writeBlob(folder, 'blob', 10);
      const fetched = join(folder, 'out', 'fetched');
      expect(await failureOf(repository.fetchTo(id, fetched))).to.be.instanceOf(BlobMissing);
      for (const odd of ['', '../../etc/passwd', id.toUpperCase(), id.slice(1)]) {
        expect(await failureOf(repository.fetchTo(odd, fetched))).to.be.instanceOf(BlobMissing);
        expect(await failureOf(repository.has(odd))).to.be.instanceOf(BlobMissing);
      }
      const none = await failureOf(repository.putFile(join(folder, 'none')));
      expect(none).to.be.instanceOf(StoreFailed);
      expect(String(none)).to.contain(join(folder, 'none'));
    },
  },
  {
    name: 'collects what nobody refers to, once it is old',
    async run({ repository, folder, wait }) {
      const [kept, old, young] = ['kept', 'old', 'young'].map((name) =>
        writeBlob(folder, name, 2 * segmentBytes),
      );
      if (kept === undefined || old === undefined || young === undefined) return;
      await repository.putFile(kept.file);
      await repository.putFile(old.file);
      const referenced = new Set([kept.id]);
      expect(await repository.collect(referenced, graceMs)).to.deep.equal([]);
      wait(graceMs + 5_000);
      await repository.putFile(young.file);
      const removed = await repository.collect(referenced, graceMs);
      expect(removed).to.deep.equal([{ id: old.id, bytes: old.bytes }]);
      expect(await repository.has(old.id)).to.equal(false);
      const left = [kept, young].map(({ id, bytes }) => ({ id, bytes }));
      expect(await repository.list()).to.have.deep.members(left);
      await repository.fetchTo(kept.id, join(folder, 'fetched'));
      await repository.putFile(old.file);
      await repository.fetchTo(old.id, join(folder, 'stored-again'));
    },
  },
  {
    name: 'takes what is stored again for new, and so does not collect it',
    async run({ repository, folder, wait }) {
      const { file, id } = writeBlob(folder, 'blob', segmentBytes);
      await repository.putFile(file);
      wait(graceMs + 5_000);
      await repository.putFile(file);
      expect(await repository.collect(new Set(), graceMs)).to.deep.equal([]);
      expect(await repository.has(id)).to.equal(true);
    },
  },
  {
    name: 'bears the same and different blobs stored and fetched at once',
    async run({ repository, folder }) {
      const blobs = ['a', 'bb', 'ccc'].map((name) => writeBlob(folder, name, largeBytes));
      await Promise.all([...blobs, ...blobs].map(({ file }) => repository.putFile(file)));
      await Promise.all(
        [...blobs, ...blobs].map(({ id }, at) =>
          repository.fetchTo(id, join(folder, `fetched-${String(at)}`)),
        ),
      );
      expect(await repository.list()).to.have.length(3);
    },
  },
];

export const repositoryCases: readonly RepositoryCase[] = cases;

export function describeRepository(
  name: string,
  createHarness: () => Promise<RepositoryHarness>,
): void {
  describe(`the model repository's contract: ${name}`, () => {
    for (const { name: sentence, run } of repositoryCases) {
      it(sentence, async () => {
        const harness = await createHarness();
        try {
          await run(harness);
        } finally {
          await harness.close();
        }
      });
    }
  });
}
