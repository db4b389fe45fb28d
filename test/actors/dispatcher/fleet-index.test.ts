/** The dispatcher's view of the fleet, kept up to date: what units owe, what queries can name. */

import { expect } from 'chai';
import fc from 'fast-check';

import { FleetIndex, noteBacklog, noteSent } from '../../../actors/dispatcher/fleet-index.ts';
import type { InstanceReport } from '../../../actors/domain/worker.ts';
import { refOf } from '../../../runtime/actor.ts';
import { mebibyte, perQuery, variantOf } from '../../support/variants.ts';
import { cpuOf } from '../../support/worker-stage.ts';

function reported(id: string, parts: Partial<InstanceReport> = {}): InstanceReport {
  return {
    ...{ id, path: `/worker/${id}`, variantId: 'v', state: 'active', rateQps: 0, queued: 0 },
    ...{ backlogMs: 0, slowdown: 1, served: 0, loadLeftMs: 0, ...parts },
  };
}

function indexOf(...instances: readonly InstanceReport[]): FleetIndex {
  const index = new FleetIndex();
  index.setRegistry(1, [variantOf('v', { latency: perQuery(10) })]);
  const report = {
    ...{ workerId: 'w1', hardware: cpuOf(64 * mebibyte), memoryUsedBytes: 0, utilisation: 0 },
    instances,
  };
  index.applyReport(refOf('w1', 1, '/worker'), report, 2, 1_000);
  return index;
}

describe('the units that instances share', () => {
  const two = [reported('a', { backlogMs: 30 }), reported('b', { backlogMs: 20, slowdown: 2 })];

  it('owe what all of them reported, each at its pace', () => {
    const [a, b] = [
      ...indexOf(...two)
        .workers.get('w1')!
        .instances.values(),
    ];
    expect(a!.shared).to.include({ units: 2, owedMs: 70, owedAtMs: 1_000 });
    expect(a!.shared).to.equal(b!.shared);
  });

  it('owe less as time passes, and more with each query sent, as all dispatchers would', () => {
    const index = indexOf(...two);
    const worker = index.workers.get('w1')!;
    const [a] = [...worker.instances.values()];
    noteSent(a!, 1, worker.dispatchers, 1_010);
    // 20 ms of work in 10 ms, and 10 ms a query of two dispatchers.
    expect(a!.shared).to.include({ owedMs: 70, owedAtMs: 1_010 });
    expect(a).to.include({ sentSinceMs: 20, sent: 1 });
    noteSent(a!, 1, worker.dispatchers, 2_000);
    expect(a!.shared).to.include({ owedMs: 20, owedAtMs: 2_000 });
  });

  it('owe what an instance says it owes, in the place of what was thought', () => {
    const [a] = [
      ...indexOf(...two)
        .workers.get('w1')!
        .instances.values(),
    ];
    noteBacklog(a!, 5, 1_000);
    expect(a!.shared).to.include({ owedMs: 45 });
    noteBacklog(a!, 25, 1_000);
    expect(a!.shared).to.include({ owedMs: 65 });
    expect(a).to.include({ reportedBacklogMs: 25, sentSinceMs: 0 });
  });
});

describe('the registry as it is indexed', () => {
  const drawn = fc.record({
    id: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f'),
    architecture: fc.constantFrom('x', 'y'),
    task: fc.constantFrom('pairs', 'digits'),
    dataset: fc.constantFrom('one', 'two'),
    ms: fc.integer({ min: 1, max: 20 }),
  });
  const change = fc.record({
    changed: fc.uniqueArray(drawn, { selector: ({ id }) => id, maxLength: 4 }),
    removed: fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f'), { maxLength: 2 }),
  });

  /** What queries are resolved by. */
  function groupsOf({ variants, useCases, architectures, datasets }: FleetIndex): object {
    const idsOf = (map: FleetIndex['useCases']): object =>
      Object.fromEntries(
        [...map].map(([key, group]) => [
          key,
          { ids: group.variants.map(({ id }) => id), signature: group.checker.signature },
        ]),
      );
    return {
      variants: [...variants.keys()].sort(),
      useCases: idsOf(useCases),
      architectures: idsOf(architectures),
      datasets: Object.fromEntries(datasets),
    };
  }

  it('is the same after changes as when it is given whole, and keeps its instances', () => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 6 }), (changes) => {
        const step = indexOf(reported('w1/v-1'));
        const all = new Map([['v', variantOf('v', { latency: perQuery(10) })]]);
        for (const [at, { changed, removed }] of changes.entries()) {
          const variants = changed.map(({ ms, ...parts }) =>
            variantOf(parts.id, { ...parts, latency: perQuery(ms) }),
          );
          for (const id of removed) all.delete(id);
          for (const variant of variants) all.set(variant.id, variant);
          expect(step.changeRegistry(at + 1, at + 2, variants, removed)).to.equal(true);
        }
        const whole = new FleetIndex();
        whole.setRegistry(1, [...all.values()]);
        expect(groupsOf(step)).to.deep.equal(groupsOf(whole));
        expect(step.variants.get('v')?.instances.map(({ id }) => id)).to.deep.equal(['w1/v-1']);
      }),
    );
  });

  it('takes no change of a registry that it does not know', () => {
    const index = indexOf();
    expect(index.changeRegistry(7, 8, [variantOf('a')], [])).to.equal(false);
    expect([...index.variants.keys()]).to.deep.equal(['v']);
  });
});
