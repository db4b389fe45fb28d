/** The controller's store port: what it keeps, and what happens when the store takes no writes. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect } from 'chai';

import type { StoreCommand } from '../../../actors/controller/protocol.ts';
import type { Variant } from '../../../actors/domain/variant.ts';
import { type ControlStore, openControlStore } from '../../../nodes/stores/control-store.ts';
import type { Expected, MetadataStore } from '../../../nodes/stores/metadata-store.ts';
import type { ActorHost } from '../../../runtime/actor.ts';
import { StoreFailed } from '../../../runtime/errors.ts';
import { silentLogger } from '../../../runtime/log.ts';
import { silentMetrics } from '../../../runtime/metrics.ts';
import { VirtualClock } from '../../../sim/virtual-clock.ts';
import { eventually } from '../../conformance/bus-harness.ts';
import { openPlace } from '../../conformance/store-places.ts';
import { variantOf } from '../../support/variants.ts';

const epochOf = (epoch: number, incarnation = 'mine') => ({
  ...{ node: 'worker-1', epoch, incarnation, requestId: 'r', grantedAtMs: 1 },
});

describe("the controller's store", () => {
  let folder: string;
  let store: MetadataStore;
  let clock: VirtualClock;
  let control: ControlStore;
  let tell: (command: StoreCommand) => void;
  /** What the store says of a write instead of taking it. */
  let refusal: string | undefined;
  let writes: string[];
  let troubles: (string | undefined)[];
  let superseded: string[];

  /** A real store, behind a disk that can be full. */
  function faulty(good: MetadataStore): MetadataStore {
    const failing = (): void => {
      if (refusal !== undefined) throw new StoreFailed(refusal, folder);
    };
    return Object.assign(Object.create(good) as MetadataStore, {
      put: async (key: string, value: unknown, expected: Expected) => {
        failing();
        writes.push(key);
        return good.put(key, value, expected);
      },
      remove: async (key: string, expected: Expected) => {
        failing();
        return good.remove(key, expected);
      },
    });
  }

  async function openControl(): Promise<void> {
    store = await openPlace({ kind: 'lmdb', folder });
    control = await openControlStore({
      ...{ store: faulty(store), clock, log: silentLogger, metrics: silentMetrics },
      ...{ retryMs: 100, retryMaxMs: 1_000 },
      onTrouble: (why) => troubles.push(why),
      onSuperseded: (why) => superseded.push(why),
    });
    const host = {
      port: (_name: string, receive: typeof tell) => {
        tell = receive;
        return undefined;
      },
    };
    control.port(host as unknown as ActorHost);
  }

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'infaas-control-'));
    [clock, refusal, writes, troubles, superseded] = [new VirtualClock(), undefined, [], [], []];
    await openControl();
  });
  afterEach(async () => {
    refusal = undefined;
    await control.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const put = (key: string, value: unknown): void => {
    tell({ type: 'store.put', key, value });
  };

  it('shows what was told at once, and after a restart of the node', async () => {
    put('epoch/worker-1', epochOf(4));
    put('variant/a', variantOf('a'));
    put('variant/b', variantOf('b'));
    tell({ type: 'store.remove', key: 'variant/b' });
    const told = control.read();
    expect(told.epochs).to.deep.equal({ 'worker-1': epochOf(4) });
    expect(told.families.flatMap(({ variants }) => variants).map(({ id }) => id)).to.deep.equal([
      'a',
    ]);
    await control.close();
    await openControl();
    expect(control.read().epochs).to.deep.equal(told.epochs);
    expect(variantsIn(control)[0]).to.deep.include({ id: 'a', accuracy: 90, batchMax: 8 });
    expect(variantsIn(control)).to.have.length(1);
  });

  it('writes the newest value of a key, however often it changes meanwhile', async () => {
    for (let epoch = 1; epoch <= 50; epoch += 1) put('epoch/worker-1', epochOf(epoch));
    await control.close();
    expect(writes.length).to.be.lessThan(5);
    await openControl();
    expect(control.read().epochs['worker-1']?.epoch).to.equal(50);
  });

  it('says why it takes no writes, tries again, and says when it does', async () => {
    refusal = 'the disk is full';
    put('variant/a', variantOf('a'));
    put('variant/b', variantOf('b'));
    await eventuallyHolds('both failed', () => troubles.length === 2);
    expect(troubles[1]).to.contain('2 writes').and.contain('the disk is full');
    // Served meanwhile as it was told.
    expect(variantsIn(control)).to.have.length(2);
    expect(clock.step()).to.equal(true);
    await eventuallyHolds('both were tried again', () => troubles.length === 4);
    put('variant/a', { ...variantOf('a'), accuracy: 50 });
    await eventuallyHolds('the newer one failed too', () => troubles.length === 5);
    refusal = undefined;
    expect(clock.step()).to.equal(true);
    await eventuallyHolds('both are taken', () => troubles.at(-1) === undefined);
    expect((await store.get('variant/a'))?.value).to.include({ accuracy: 50 });
    expect((await store.get('variant/b'))?.value).to.include({ id: 'b' });
  });

  it('does not close as if all were well when something was never written', async () => {
    refusal = 'the disk is full';
    put('variant/a', variantOf('a'));
    const error: unknown = await control.close().then(
      () => undefined,
      (failure: unknown) => failure,
    );
    expect(error).to.be.instanceOf(StoreFailed);
    expect(String(error)).to.contain('variant/a').and.contain('the disk is full');
    refusal = undefined;
    await openControl();
  });

  it('follows what others write, and says when another controller has granted more', async () => {
    await store.put('variant/theirs', variantOf('theirs'), 'any');
    await eventuallyHolds('it is seen', () => variantsIn(control).length === 1);
    await store.remove('variant/theirs', 'any');
    await eventuallyHolds('it is gone', () => variantsIn(control).length === 0);
    put('epoch/worker-1', epochOf(1));
    await eventuallyHolds(
      'it is kept',
      async () => (await store.get('epoch/worker-1')) !== undefined,
    );
    // Both at once: theirs is first, and ours does not undo it.
    const theirs = store.put('epoch/worker-1', epochOf(9, 'theirs'), 'any');
    put('epoch/worker-1', epochOf(2));
    await theirs;
    await eventuallyHolds('it is said', () => superseded.length === 1);
    expect(superseded[0]).to.contain('epoch 9');
    expect(control.read().epochs['worker-1']).to.deep.equal(epochOf(9, 'theirs'));
    expect((await store.get('epoch/worker-1'))?.value).to.include({ incarnation: 'theirs' });
  });

  it('leaves out a variant that it cannot read, and serves the rest', async () => {
    await store.put('variant/odd', { id: 'odd' }, 'any');
    await store.put('variant/a', variantOf('a'), 'any');
    await control.close();
    await openControl();
    expect(variantsIn(control).map(({ id }) => id)).to.deep.equal(['a']);
    put('variant/odd', variantOf('odd'));
    await control.close();
    await openControl();
    expect(variantsIn(control)).to.have.length(2);
  });
});

function variantsIn(control: ControlStore): readonly Variant[] {
  return control.read().families.flatMap(({ variants }) => variants);
}

async function eventuallyHolds(
  what: string,
  condition: () => Promise<boolean> | boolean,
): Promise<void> {
  let holds = false;
  await eventually(
    what,
    () => {
      void Promise.resolve(condition()).then((now) => (holds = now));
      return holds;
    },
    5_000,
  );
}
