/** What is told in place of a query or an answer that is too large for the bus. */

import { expect } from 'chai';

import type { QueryFinished, RunQuery, WorkerEvent } from '../../actors/worker/protocol.ts';
import { refuseTooLarge } from '../../nodes/refuse-too-large.ts';
import { refOf } from '../../runtime/actor.ts';
import { decode, encode } from '../../runtime/wire/codec.ts';
import { bodyDecoders } from '../../nodes/wire-schemas.ts';

const dispatcher = refOf<WorkerEvent>('gateway', 3, '/dispatcher');
const delivery = {
  ...{ attempt: 2, budgetMs: 100, priority: 0, tenant: 'default', trace: undefined, final: true },
};
const tensorOf = (bytes: number) =>
  ({ datatype: 'UINT8', shape: [bytes], data: new Uint8Array(bytes) }) as const;

describe('what is too large for the bus', () => {
  it('is refused to the dispatcher that waits for the answer, naming the largest output', () => {
    const outputs = { small: tensorOf(1), mask: tensorOf(50) };
    const answer: QueryFinished = {
      ...{ type: 'dispatcher.query-finished', queryId: 'q', delivery, epoch: 4 },
      ...{ instanceId: 'w/v-1', backlogMs: 7 },
      outcome: { ok: true, outputs, batchSize: 1, batchReason: '', queueMs: 0, inferMs: 0 },
    };
    const refusal = refuseTooLarge(dispatcher, answer, 60, 55);
    expect(refusal?.to).to.equal(dispatcher);
    expect(refusal?.message).to.deep.include({ queryId: 'q', delivery, backlogMs: 7 });
    expect(refusal?.message).to.have.nested.property('outcome.error.code', 'too_large');
    expect(refusal?.message).to.have.nested.property('outcome.error.details.output', 'mask');
    expect(refusal?.message).to.have.nested.property('outcome.retry', 'never');
    const { type: _type, delivery: _delivery, ...body } = refusal?.message as QueryFinished;
    const carried = decode(encode({ ...body, type: 'dispatcher.query-finished' }));
    expect(() => bodyDecoders.decode('dispatcher.query-finished', carried, true)).to.not.throw();
  });

  it('is refused to the dispatcher that sends the query, naming the largest input', () => {
    const query: RunQuery = {
      ...{ type: 'worker.run-query', queryId: 'q', delivery, variantId: 'v' },
      ...{ instanceId: 'w/v-1', inputs: { image: tensorOf(60) }, outputs: undefined },
      ...{
        batch: 1,
        batchKey: '',
        asks: { by: 'variant', accuracyMin: 0, latencyMs: Infinity },
        sloLeadMs: 0,
        rejectLate: false,
        replyTo: dispatcher,
      },
    };
    const refusal = refuseTooLarge(refOf('w', 1, '/worker'), query, 60, 55);
    expect(refusal?.to).to.equal(dispatcher);
    expect(refusal?.message).to.have.nested.property('outcome.error.details.input', 'image');
  });

  it('is a dead letter when it is a report', () => {
    const report = { type: 'dispatcher.worker-reported' };
    expect(refuseTooLarge(dispatcher, report, 60, 55)).to.equal(undefined);
  });
});
