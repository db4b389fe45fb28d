import { encode } from '../../../runtime/wire/codec.ts';
import { encodeEnvelope } from '../../../runtime/wire/envelope.ts';
import { encodeBeat } from '../../../runtime/wire/beat.ts';
import { encodeChunk } from '../../../runtime/wire/chunk.ts';
import { tensorOf } from '../../../runtime/wire/tensors.ts';
import { hexOf } from './samples.ts';
import { LocalRef } from '../../../runtime/local-ref.ts';
console.log(hexOf(encodeEnvelope({ version: 1, type: 'worker.execute', toPath: '/worker/i-3', toEpoch: 4, fromNode: 'gw-1', fromEpoch: 2, sentAtMs: 1234.5, delivery: { attempt: 2, budgetMs: 250, priority: 5, tenant: 'acme', trace: '00-ab-cd-01', final: true }, body: { queryId: 'q1' } })));
console.log(hexOf(encodeEnvelope({ version: 1, type: 'a.b', toPath: '/', toEpoch: 0, fromNode: 'n', fromEpoch: 0, sentAtMs: 0, delivery: undefined, body: null })));
console.log(hexOf(encode({ type: 'instance.run', inputs: { image: tensorOf('FP32', [1, 2], Float32Array.of(1, -0.5)) } })));
console.log(hexOf(encodeBeat({ node: 'w-1', epoch: 3, kind: 'worker', sentAtMs: 0.5, incarnation: 'i', leaving: false, cuts: 1 })));
console.log(hexOf(encodeChunk({ fromNode: 'w-1', fromEpoch: 3, messageId: 9, index: 1, partBytes: 4, totalBytes: 6, part: Uint8Array.of(1, 2) })));
console.log(hexOf(encode(new LocalRef('n', 1, '/p', {} as never))));
for (const v of [new Date(), new Set([1]), new Map([[1,2]]), new Error('x'), /x/, 1n, 2n**63n, -(2n**63n), 2n**64n, undefined, ()=>1, Symbol('x'), NaN, Infinity, -0, new Float64Array([1]), new ArrayBuffer(4), [undefined], 2**53, 2**32, {a: undefined}, new DataView(new ArrayBuffer(2)), new BigInt64Array(1), new (class X { a = 1; })(), Object.create(null)]) { try { console.log(Object.prototype.toString.call(v), hexOf(encode(v))); } catch (e) { console.log('THROWS', String(e)); } }
