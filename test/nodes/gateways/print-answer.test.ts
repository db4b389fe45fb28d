/** Answers in both encodings, and what JSON makes of each datatype. */

import { expect } from 'chai';

import { outcomeCodes, queryError } from '../../../actors/domain/outcome.ts';
import type { QueryServed } from '../../../actors/domain/query.ts';
import { httpStatusOf, printAnswer, printError } from '../../../nodes/gateways/print-answer.ts';
import { decode } from '../../../runtime/wire/codec.ts';
import { packStrings, tensorOf, toHalf } from '../../../runtime/wire/tensors.ts';

const limits = { jsonAnswerElementsMax: 20 };

function served(outputs: QueryServed['outputs']): QueryServed {
  return {
    ok: true,
    queryId: 'query-1',
    outputs,
    servedBy: {
      task: 't',
      dataset: 'd',
      architecture: 'a',
      variant: 'a/fp32',
      worker: 'w',
      instance: 'w/a/fp32#1',
      hardware: 'cpu',
      batchSize: 2,
      accuracy: 98,
    },
    timing: { totalMs: 5, decideMs: 1, networkMs: 1, queueMs: 1, inferMs: 2 },
    slo: { met: false, missed: ['latencyMs'] },
    decision: { reason: 'cheapest', batchReason: 'one at a time' },
    costUsd: 1e-6,
  };
}

const bytes = new TextEncoder();
const outputs = {
  half: tensorOf('FP16', [2], Uint16Array.of(toHalf(0.5), toHalf(-2))),
  wide: tensorOf('INT64', [2], BigInt64Array.of(5n, 2n ** 60n)),
  flag: tensorOf('BOOL', [2], Uint8Array.of(1, 0)),
  text: tensorOf('BYTES', [1], packStrings([bytes.encode('ahoj')])),
  odd: tensorOf('FP32', [2], Float32Array.of(NaN, 1)),
};

describe('printAnswer', () => {
  it('prints every field of the interface, in both encodings', () => {
    const answer = served({ logits: tensorOf('FP32', [2], Float32Array.of(1, 2)) });
    const text = printAnswer(answer, 'mine', 'json', limits);
    const logits = { datatype: 'FP32', shape: [2], data: [1, 2] };
    const expected = { ...answer, id: 'mine', outputs: { logits } };
    expect(JSON.parse(text as string)).to.deep.equal(expected);
    const frame = decode(printAnswer(answer, 'mine', 'msgpack', limits) as Uint8Array);
    const data = new Uint8Array(Float32Array.of(1, 2).buffer);
    const inBytes = { logits: { ...logits, data } };
    expect(frame).to.deep.equal({ ...expected, outputs: inBytes });
  });

  it('prints the elements of each datatype as JSON has them', () => {
    const text = printAnswer(served(outputs), 1, 'json', limits) as string;
    const printed = JSON.parse(text) as { outputs: Record<string, { data: unknown }> };
    const data = Object.entries(printed.outputs).map(([name, tensor]) => [name, tensor.data]);
    expect(Object.fromEntries(data)).to.deep.equal({
      half: [0.5, -2],
      wide: [5, '1152921504606846976'],
      flag: [true, false],
      text: ['ahoj'],
      odd: [null, 1],
    });
  });

  it('answers a query without an id under its queryId', () => {
    const text = printAnswer(served({}), undefined, 'json', limits) as string;
    expect(JSON.parse(text)).to.include({ id: 'query-1', queryId: 'query-1' });
  });

  it('prints a refusal', () => {
    const error = queryError('slo_infeasible', 'no', { nearest: 1 });
    const text = printAnswer({ ok: false, queryId: 'q', error }, 7, 'json', limits) as string;
    expect(JSON.parse(text)).to.deep.equal({ id: 7, queryId: 'q', ok: false, error });
  });

  it('refuses outputs that are too large for JSON, not for msgpack', () => {
    const answer = served({ big: tensorOf('UINT8', [21], new Uint8Array(21)) });
    const text = printAnswer(answer, 'mine', 'json', limits) as string;
    expect(JSON.parse(text)).to.deep.include({ id: 'mine', queryId: 'query-1', ok: false });
    expect(text).to.match(/too_large.*21 elements.*msgpack/);
    expect(decode(printAnswer(answer, 'mine', 'msgpack', limits) as Uint8Array)).to.include({
      ok: true,
    });
  });

  it('prints what never became a query without an id', () => {
    const text = printError(queryError('bad_input', 'no'), undefined, 'json', 'tasks') as string;
    expect(Object.keys(JSON.parse(text) as object)).to.deep.equal(['op', 'ok', 'error']);
  });

  it('has an HTTP status of an error for each code', () => {
    for (const code of outcomeCodes) expect(httpStatusOf[code]).to.be.within(400, 599);
  });
});
