/** Offline jobs' files: inputs of either kind, results that survive a torn write, who may where. */

import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect } from 'chai';

import type { JobAsked } from '../../../actors/domain/offline-job.ts';
import { queryError } from '../../../actors/domain/outcome.ts';
import { localPrincipal, type Principal } from '../../../actors/domain/principal.ts';
import type {
  ItemResult,
  OfflineFilesCommand,
  OfflineFilesEvent,
} from '../../../actors/offline/files-port.ts';
import { offlineConfigSchema } from '../../../nodes/offline/config.ts';
import { JobFiles } from '../../../nodes/offline/job-files.ts';
import { linesOf } from '../../../nodes/offline/read-items.ts';
import type { MetadataStore } from '../../../nodes/stores/metadata-store.ts';
import { createNactHost } from '../../../runtime/nact-host.ts';
import type { ActorHost, Ref } from '../../../runtime/actor.ts';
import { silentLogger } from '../../../runtime/log.ts';
import { silentMetrics } from '../../../runtime/metrics.ts';
import { createSystemClock } from '../../../nodes/adapters/system-clock.ts';
import { openPlace } from '../../conformance/store-places.ts';

const inputs = [{ name: 'x', datatype: 'FP32', shape: [-1, 2], shared: false }] as const;

function refused(index: number): ItemResult {
  const error = queryError('bad_input', 'not this');
  return { index, id: index, answer: { ok: false, queryId: `q${String(index)}`, error } };
}

describe('the files of offline jobs', () => {
  let folder: string;
  let host: ActorHost;
  let store: MetadataStore;
  let files: JobFiles;
  let replyTo: Ref<OfflineFilesEvent>;
  let answered: (event: OfflineFilesEvent) => void;
  let asked: JobAsked;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'infaas-offline-'));
    const clock = createSystemClock();
    host = createNactHost({
      ...{ node: 'controller', clock, seed: 1, log: silentLogger, metrics: silentMetrics },
    });
    store = await openPlace({ kind: 'lmdb', folder: join(folder, 'store') });
    files = await open();
    replyTo = host.port<OfflineFilesEvent>('asker', (event) => answered(event));
    asked = {
      selector: { by: 'task', task: 'pairs', dataset: undefined },
      ...{ slo: {}, outputs: undefined },
      ...{ input: join(folder, 'in.jsonl'), output: join(folder, 'out') },
    };
  });

  afterEach(async () => {
    await files.close();
    await host.shutdown();
    await store.close();
    rmSync(folder, { recursive: true, force: true });
  });

  function open(settings: object = {}): Promise<JobFiles> {
    const parsed = offlineConfigSchema.parse(settings);
    return JobFiles.open({ host, log: silentLogger, records: store, settings: parsed });
  }

  function ask(command: object): Promise<OfflineFilesEvent> {
    return new Promise((resolve) => {
      answered = resolve;
      host.tell(files.port, { ...command, replyTo } as unknown as OfflineFilesCommand);
    });
  }

  const prepare = (principal: Principal = localPrincipal) =>
    ask({ type: 'offline-files.prepare-job', jobId: 'job-1', asked, principal });

  async function opened(): Promise<OfflineFilesEvent> {
    const prepared = await prepare();
    expect(prepared).to.include({ type: 'offline.job-prepared' });
    const found = prepared as Extract<OfflineFilesEvent, { type: 'offline.job-prepared' }>;
    const { items, fingerprint } = found;
    return reopened({ items, fingerprint });
  }

  function reopened(found: object): Promise<OfflineFilesEvent> {
    const record = { id: 'job-1', tenant: 'default', asked, state: 'open', ...found };
    return ask({ type: 'offline-files.open-job', record, inputs });
  }

  async function read(count = 10) {
    const event = await ask({ type: 'offline-files.read-items', jobId: 'job-1', count });
    return event.type === 'offline.items-read' ? event.items : [];
  }

  it('are lines of JSON with what is asked in them, and what is none is an item too', async () => {
    const lines = [
      '{"id":"a","inputs":{"x":[[1,2]]},"outputs":["y"]}',
      '',
      '{"x":[[3,4]]}',
      '[[5,6]]',
      'no JSON',
      '{"id":"e","inputs":{"z":[1]}}',
    ];
    writeFileSync(asked.input, lines.join('\n'));
    expect(await opened()).to.include({ type: 'offline.job-opened', written: 0 });
    const items = await read();
    expect(items.map(({ id }) => id)).to.deep.equal(['a', 1, 2, 3, 'e']);
    expect(items.map((item) => 'code' in item.inputs)).to.deep.equal([
      false,
      false,
      false,
      true,
      true,
    ]);
    expect(items[0]?.outputs).to.deep.equal(['y']);
  });

  it('are the files of a folder in the order of their names', async () => {
    mkdirSync(asked.input);
    for (const name of ['b.json', 'a.json', '.hidden', 'c.txt']) {
      writeFileSync(join(asked.input, name), name === 'c.txt' ? 'what?' : '[[1,2]]');
    }
    await opened();
    const items = await read();
    expect(items.map(({ id }) => id)).to.deep.equal(['a.json', 'b.json', 'c.txt']);
    expect(items.map((item) => 'code' in item.inputs)).to.deep.equal([false, false, true]);
  });

  it('go on behind the last whole line, and cut off a torn one', async () => {
    writeFileSync(asked.input, '[[1,2]]\n'.repeat(5));
    const first = await opened();
    expect(first).to.include({ written: 0 });
    await ask({
      ...{ type: 'offline-files.write-results', jobId: 'job-1' },
      results: [refused(0), refused(1)],
    });
    const path = join(asked.output, 'results.jsonl');
    const whole = readFileSync(path, 'utf8');
    appendFileSync(path, '{"item":2,"id":2,"queryI');
    await files.close();
    files = await open();
    // Only the fingerprint counts, and it is found by looking.
    asked = { ...asked, output: join(folder, 'elsewhere') };
    const { fingerprint } = (await prepare()) as unknown as { readonly fingerprint: string };
    asked = { ...asked, output: join(folder, 'out') };
    const again = await reopened({ items: 5, fingerprint });
    expect(again).to.include({ type: 'offline.job-opened', written: 2, failed: 2 });
    expect(readFileSync(path, 'utf8')).to.equal(whole);
    expect((await read()).map(({ index }) => index)).to.deep.equal([2, 3, 4]);
    const written = await ask({
      ...{ type: 'offline-files.write-results', jobId: 'job-1' },
      results: [refused(2)],
    });
    expect(written).to.include({ written: 3, failed: 3 });
    const items = readFileSync(path, 'utf8').trim().split('\n');
    expect(items.map((line) => (JSON.parse(line) as { item: number }).item)).to.deep.equal([
      0, 1, 2,
    ]);
  });

  it('are refused when they changed, when there are none, and where results lie', async () => {
    expect(await prepare()).to.have.nested.property('error.code', 'bad_input');
    writeFileSync(asked.input, '\n\n');
    expect(await prepare())
      .to.have.nested.property('error.message')
      .that.matches(/no inputs/);
    writeFileSync(asked.input, '[[1,2]]\n');
    const changed = await reopened({ items: 1, fingerprint: 'another' });
    expect(changed)
      .to.have.nested.property('error.message')
      .that.matches(/has changed/);
    mkdirSync(asked.output);
    writeFileSync(join(asked.output, 'results.jsonl'), 'of yesterday\n');
    expect(await prepare())
      .to.have.nested.property('error.message')
      .that.matches(/already/);
  });

  it('are this machine’s users’ alone, unless its owner allows folders', async () => {
    writeFileSync(asked.input, '[[1,2]]\n');
    const stranger = { name: 'token', tenant: 'default' };
    expect(await prepare(stranger)).to.have.nested.property('error.code', 'unauthorized');
    await files.close();
    files = await open({ folders: [join(folder, 'allowed')] });
    mkdirSync(join(folder, 'allowed'));
    expect(await prepare(stranger)).to.have.nested.property('error.code', 'unauthorized');
    const inside = (name: string) => join(folder, 'allowed', name);
    asked = { ...asked, input: inside('in.jsonl'), output: inside('new/out') };
    writeFileSync(asked.input, '[[1,2]]\n');
    expect(await prepare(stranger)).to.include({ type: 'offline.job-prepared' });
    asked = { ...asked, output: inside('../out2') };
    expect(await prepare(stranger)).to.have.nested.property('error.code', 'unauthorized');
  });

  it('keep their records in the store', async () => {
    const record = {
      ...{ id: 'job-7', tenant: 'default', asked, items: 5, fingerprint: 'f' },
      state: 'open',
    };
    await ask({ type: 'offline-files.keep-record', record });
    await files.close();
    files = await open();
    expect(files.stored()).to.have.length(1);
    expect(files.stored()[0]).to.deep.include({ id: 'job-7', items: 5 });
    host.tell(files.port, { type: 'offline-files.drop-record', jobId: 'job-7' });
    // One after the other: answered when that is done.
    await ask({ type: 'offline-files.read-items', jobId: 'job-7', count: 1 });
    await files.close();
    files = await open();
    expect(files.stored()).to.deep.equal([]);
  });

  it('jump over a line that is longer than the bound, without holding it', async () => {
    writeFileSync(asked.input, `short\n${'x'.repeat(200_000)}\nafter`);
    const lines: (string | undefined)[] = [];
    for await (const line of linesOf(asked.input, 100)) lines.push(line);
    expect(lines).to.deep.equal(['short', undefined, 'after']);
  });
});
