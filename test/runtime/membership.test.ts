/** Granting epochs: a table of requests in order, and that epochs only grow. */

import { expect } from 'chai';
import fc from 'fast-check';

import { type EpochRecords, grantEpoch } from '../../runtime/membership.ts';

interface Step {
  readonly node: string;
  readonly incarnation: string;
  readonly requestId: string;
  readonly epochSeen?: number;
  readonly granted: number;
  readonly fresh: boolean;
}

const step = (
  request: string,
  granted: number,
  fresh = true,
  epochSeen: { epochSeen?: number } = {},
): Step => {
  const [node = '', incarnation = '', requestId = ''] = request.split(' ');
  return { node, incarnation, requestId, ...epochSeen, granted, fresh };
};

const table: Record<string, Step[]> = {
  'a node that was never heard of gets 1': [step('w i1 r1', 1)],
  'the same request again gets the same': [step('w i1 r1', 1), step('w i1 r1', 1, false)],
  'a re-join of the same process gets the next': [step('w i1 r1', 1), step('w i1 r2', 2)],
  'a new process gets the next, even under the same request id': [
    step('w i1 r1', 1),
    step('w i2 r1', 2),
  ],
  'a late retry of a request that was overtaken gets a new one': [
    step('w i1 r1', 1),
    step('w i1 r2', 2),
    step('w i1 r1', 3),
  ],
  'an old process that asks again counts as new, and the younger sees it': [
    step('w i1 r1', 1),
    step('w i2 r1', 2),
    step('w i1 r1', 3),
  ],
  'nodes do not share epochs': [step('w i1 r1', 1), step('v i1 r1', 1), step('w i1 r2', 2)],
  'a store that forgot grants above what the process had': [
    step('w i1 r1', 8, true, { epochSeen: 7 }),
    step('w i1 r2', 9, true, { epochSeen: 3 }),
  ],
  'a name of the language is a name like any other': [step('constructor i1 r1', 1)],
};

describe('grantEpoch', () => {
  for (const [name, steps] of Object.entries(table)) {
    it(name, () => {
      let records: EpochRecords = {};
      for (const { granted, fresh, ...request } of steps) {
        const grant = grantEpoch(records, request, 5);
        expect([grant.epoch, grant.fresh]).to.deep.equal([granted, fresh]);
        expect(grant.records === records).to.equal(!fresh);
        ({ records } = grant);
        expect(records[request.node]?.epoch).to.equal(granted);
      }
    });
  }

  it('changes nothing it was given, and its records can be stored as they are', () => {
    const before = grantEpoch({}, { node: 'w', incarnation: 'i', requestId: 'r' }, 5).records;
    const copy = structuredClone(before);
    const { record, records } = grantEpoch(
      before,
      { node: 'w', incarnation: 'j', requestId: 'r' },
      9,
    );
    expect(before).to.deep.equal(copy);
    expect(record).to.deep.equal({
      ...{ node: 'w', epoch: 2, incarnation: 'j', requestId: 'r', grantedAtMs: 9 },
    });
    expect(JSON.parse(JSON.stringify(records))).to.deep.equal(records);
  });

  it('never gives one epoch of a node to two processes', () => {
    const request = fc.record({
      node: fc.constantFrom('a', 'b'),
      incarnation: fc.constantFrom('i', 'j', 'k'),
      requestId: fc.constantFrom('1', '2', '3'),
    });
    fc.assert(
      fc.property(fc.array(request, { maxLength: 40 }), (requests) => {
        let records: EpochRecords = {};
        const owners = new Map<string, string>();
        for (const one of requests) {
          const grant = grantEpoch(records, one, 0);
          ({ records } = grant);
          const key = `${one.node}#${String(grant.epoch)}`;
          expect(owners.get(key) ?? one.incarnation).to.equal(one.incarnation);
          owners.set(key, one.incarnation);
        }
      }),
    );
  });
});
