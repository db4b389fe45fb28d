/** What a well-formed query becomes. What is refused, and how, is in bad-input-cases.ts. */

import { expect } from 'chai';

import type { QueryRequest } from '../../../actors/domain/query.ts';
import { gatewayConfigSchema } from '../../../nodes/gateways/config.ts';
import { clientIdOf, parseQuery } from '../../../nodes/gateways/parse-query.ts';
import { decode, encode } from '../../../runtime/wire/codec.ts';
import { typedArrayOf } from '../../../runtime/wire/tensors.ts';

const limits = gatewayConfigSchema.parse({});

const least = {
  id: 'q1',
  task: 'digit-classification',
  inputs: { x: { datatype: 'FP32', shape: [2], data: new Float32Array([1, 2]) } },
};

function parsed(fields: object, fallbackId?: string): QueryRequest {
  const value = decode(encode({ ...least, ...fields })) as Record<string, unknown>;
  const result = parseQuery(value, limits, fallbackId);
  if (!result.ok) throw new Error(result.error.message);
  return result.request;
}

describe('parseQuery', () => {
  it('fills in the defaults of the interface', () => {
    expect(parsed({})).to.deep.include({
      id: 'q1',
      selector: { by: 'task', task: 'digit-classification', dataset: undefined },
      slo: {},
      onMiss: 'best-effort',
      timeoutMs: 30_000,
      priority: 0,
      outputs: undefined,
      trace: undefined,
    });
  });

  it('takes every field', () => {
    const slo = { latencyMs: 20, accuracyMin: 98, costUsdMax: 0.001 };
    const rest = { onMiss: 'reject', timeoutMs: 5, priority: 9, outputs: ['y'], trace: '00-1' };
    expect(parsed({ dataset: 'mnist', slo, ...rest })).to.deep.include({
      selector: { by: 'task', task: 'digit-classification', dataset: 'mnist' },
      slo,
      ...rest,
    });
  });

  it('takes null for absent, since msgpack has no undefined', () => {
    const nulls = { slo: null, onMiss: null, timeoutMs: null, priority: null, outputs: null };
    expect(parsed({ ...nulls, dataset: null, variant: null })).to.deep.equal(parsed({}));
    expect(parsed({ slo: { latencyMs: null } }).slo.latencyMs).to.equal(undefined);
  });

  it('lets the most specific selector win', () => {
    const both = { architecture: 'cnn', variant: 'cnn/fp32' };
    expect(parsed(both).selector).to.deep.equal({ by: 'variant', variant: 'cnn/fp32' });
    const { architecture } = both;
    expect(parsed({ architecture }).selector).to.deep.equal({ by: 'architecture', architecture });
  });

  it('takes integer ids, and a fallback where none is mandatory', () => {
    expect(parsed({ id: 7 }).id).to.equal('7');
    expect(parsed({ id: null }, 'query-9').id).to.equal('query-9');
    expect(clientIdOf({ id: 7 })).to.equal(7);
    expect(clientIdOf({ id: [] })).to.equal(undefined);
  });

  it('leaves tensor bytes where they are in the frame', () => {
    const frame = encode(least);
    const result = parseQuery(decode(frame) as Record<string, unknown>, limits);
    const tensor = result.ok ? result.request.inputs['x'] : undefined;
    expect(tensor?.data.buffer).to.equal(frame.buffer);
    expect([...typedArrayOf(tensor!)]).to.deep.equal([1, 2]);
  });

  it('makes the same tensor of bytes, flat numbers and nested ones', () => {
    const shape = [2, 2];
    const [bytes, flat, nested] = [
      new Float32Array([1, 2, 3, 4]),
      [1, 2, 3, 4],
      [
        [1, 2],
        [3, 4],
      ],
    ];
    const tensors = [bytes, flat, nested].map((data) => {
      const { x } = parsed({ inputs: { x: { datatype: 'FP32', shape, data } } }).inputs;
      return [...typedArrayOf(x!)];
    });
    expect(tensors).to.deep.equal([flat, flat, flat]);
  });

  it('takes scalars, and empty tensors', () => {
    const scalar = { datatype: 'INT64', shape: [], data: ['9007199254740993'] };
    expect(typedArrayOf(parsed({ inputs: { scalar } }).inputs['scalar']!)[0]).to.equal(
      9_007_199_254_740_993n,
    );
    const none = { datatype: 'FP32', shape: [0, 3], data: [] };
    expect(parsed({ inputs: { none } }).inputs['none']?.data.length).to.equal(0);
  });

  it('takes input names that objects inherit', () => {
    const tensor = { datatype: 'FP32', shape: [1], data: [1] };
    const { inputs } = parsed({ inputs: { constructor: tensor, toString: tensor } });
    expect(Object.keys(inputs)).to.deep.equal(['constructor', 'toString']);
    expect(Object.getPrototypeOf(inputs)).to.equal(Object.prototype);
  });

  it('takes no longer a timeout than the configuration allows, also by default', () => {
    const value = decode(encode(least)) as Record<string, unknown>;
    const result = parseQuery(value, { ...limits, timeoutMsMax: 1_000 });
    expect(result.ok && result.request.timeoutMs).to.equal(1_000);
  });
});
