/**
 * What users, and worse, may send: one case for each way in which the gateways (or the dispatcher's
 * check behind them) refuse. Each names the code and what its message must name.
 */

import { encode } from '../../../runtime/wire/codec.ts';
import { type Encoding, goodImage, goodJsonQuery, goodQuery } from './callers.ts';

export interface BadCase {
  readonly name: string;
  readonly payload: () => Uint8Array | string;
  readonly encoding: Encoding;
  readonly code: string;
  /** The culprit, as the message names it. */
  readonly says: RegExp;
  /** Where the transport can carry it. Default: all. */
  readonly over?: readonly ('websocket' | 'http' | 'nats')[];
}

/** The limits these cases were written for; everything else is default. */
export const badInputConfig = {
  payloadBytesMax: 900_000,
  jsonBytesMax: 600_000,
  jsonElementsMax: 5_000,
  valuesMax: 30_000,
  inputsMax: 4,
} as const;

type Fields = Readonly<Record<string, unknown>>;

function bad(name: string, fields: Fields, says: RegExp, code = 'bad_input'): BadCase {
  return {
    name,
    encoding: 'msgpack',
    payload: () => encode({ ...goodQuery(), ...fields }),
    code,
    says,
  };
}

function badTensor(name: string, fields: Fields, says: RegExp, code = 'bad_input'): BadCase {
  return bad(name, { inputs: { image: { ...goodImage(), ...fields } } }, says, code);
}

/** An element of an input that has `datatype` and two elements, the second bad. */
function badElement(datatype: string, element: unknown, says: RegExp): BadCase {
  const shown = typeof element === 'bigint' ? 'a bigint' : JSON.stringify(element);
  return badTensor(
    `${shown} as ${datatype}`,
    { datatype, shape: [2], data: [datatype === 'BYTES' ? 'a' : 1, element] },
    says,
  );
}

function badJson(name: string, text: string, says: RegExp, code = 'bad_input'): BadCase {
  return { name, encoding: 'json', payload: () => text, code, says };
}

function badFrame(name: string, bytes: Uint8Array, says: RegExp, code = 'bad_input'): BadCase {
  return { name, encoding: 'msgpack', payload: () => bytes, code, says };
}

function without(field: string): Record<string, unknown> {
  return Object.fromEntries(Object.entries(goodQuery()).filter(([key]) => key !== field));
}

const goodText = JSON.stringify(goodJsonQuery());

/** `{"a": <value>}` in hand-made msgpack. */
function frameOf(...value: number[]): Uint8Array {
  return Uint8Array.of(0x81, 0xa1, 0x61, ...value);
}

const frames: readonly BadCase[] = [
  badFrame('a truncated frame', encode(goodQuery()).subarray(0, 200), /frame|length/),
  badFrame('an empty frame', new Uint8Array(0), /ends too early/),
  badFrame('bytes after the frame', Uint8Array.of(...encode({ id: 'x' }), 0), /1 bytes follow/),
  badFrame('a number instead of an object', encode(7), /one object, not a number/),
  badFrame('an array instead of an object', encode([1]), /one object, not an array/),
  badFrame('bytes instead of an object', encode(new Uint8Array(3)), /one object, not bytes/),
  badFrame('null instead of an object', encode(null), /one object, not null/),
  badFrame('msgpack nested 100,000 deep', new Uint8Array(100_000).fill(0x91), /nested deeper/),
  badFrame('a length beyond the end', frameOf(0xdd, 0xff, 0xff, 0xff, 0xff), /length beyond/),
  badFrame('an extension type (a Date)', frameOf(0xd6, 0xff, 0, 0, 0, 0), /extension type/),
  badFrame('the byte 0xc1', frameOf(0xc1), /0xc1/),
  badFrame('a key that is not a string', Uint8Array.of(0x81, 1, 1), /key that is not a string/),
  badFrame(
    'the key __proto__ in msgpack',
    Uint8Array.of(0x81, 0xa9, ...Buffer.from('__proto__'), 0x80),
    /__proto__/,
  ),
  badFrame(
    'too many values',
    encode({ id: 'x', a: new Array(40_000).fill(0) }),
    /values/,
    'too_large',
  ),
  badFrame(
    'a payload over the limit',
    encode({ ...goodQuery(), extra: new Uint8Array(1_000_000) }),
    /over the limit of 900000/,
    'too_large',
  ),
];

const texts: readonly BadCase[] = [
  badJson('malformed JSON', '{"id": "x",', /malformed JSON/),
  badJson('JSON nested 100,000 deep', '['.repeat(100_000), /nested deeper than 32/),
  badJson('objects nested 100,000 deep', '{"a":'.repeat(100_000), /nested deeper than 32/),
  badJson('a string instead of an object', '"query"', /one object, not a string/),
  badJson('JSON over its limit', `${goodText}${' '.repeat(600_000)}`, /jsonBytesMax/, 'too_large'),
  badJson('JSON of too many values', `{"a":[${'0,'.repeat(40_000)}0]}`, /values/, 'too_large'),
  badJson(
    'the key __proto__',
    goodText.replace('"id"', '"__proto__":{"ok":true},"id"'),
    /__proto__/,
  ),
  badJson('the key constructor', goodText.replace('"id"', '"constructor":{},"id"'), /constructor/),
  badJson('__proto__ as an input', goodText.replace('"image"', '"__proto__"'), /__proto__/),
  badJson('toString as an input', goodText.replace('"image"', '"toString"'), /image|toString/),
  badJson(
    '__proto__ in the SLO',
    goodText.replace('"id"', '"slo":{"__proto__":{}},"id"'),
    /slo.*__proto__/,
  ),
  badJson('1e999', goodText.replace('"data":[0', '"data":[1e999'), /image.*Infinity.*finite/),
  {
    ...badJson('text that is not UTF-8', '', /malformed JSON/),
    payload: () => Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d),
    // Over WebSocket such a text frame ends the connection (RFC 6455 §8.1).
    over: ['http', 'nats'],
  },
];

const fields: readonly BadCase[] = [
  bad('a misspelt field', { latencyMS: 3 }, /latencyMS.*slo\.latencyMs/),
  bad('an unknown field', { zzzzzzzzzz: 3 }, /zzzzzzzzzz.*known/),
  bad('id: an object', { id: {} }, /^id: .*an object/),
  bad('id: a fraction', { id: 1.5 }, /^id: .*1\.5/),
  bad('id: empty', { id: '' }, /^id: /),
  bad('id: 200 characters', { id: 'x'.repeat(200) }, /^id: .*128/),
  { ...badFrame('no id', encode(without('id')), /^id: .*nothing/), over: ['websocket'] },
  badFrame('no selector', encode(without('task')), /task.*not a dataset alone/),
  bad('task: a number', { task: 5 }, /^task: .*5/),
  bad('task: empty', { task: '' }, /^task: /),
  bad('dataset: an array', { dataset: ['mnist'] }, /^dataset: .*an array/),
  bad('architecture: a boolean', { architecture: true }, /^architecture: .*true/),
  bad('variant: 1,000 characters', { variant: 'x'.repeat(1_000) }, /^variant: .*256/),
  bad('slo: a number', { slo: 20 }, /^slo: .*20/),
  bad('slo: an array', { slo: [20] }, /^slo: .*an array/),
  bad('slo: a misspelt field', { slo: { acuracyMin: 98 } }, /acuracyMin.*accuracyMin/),
  bad('latencyMs: NaN', { slo: { latencyMs: NaN } }, /slo\.latencyMs: .*NaN/),
  bad('latencyMs: zero', { slo: { latencyMs: 0 } }, /slo\.latencyMs: .*> 0/),
  bad('latencyMs: infinite', { slo: { latencyMs: Infinity } }, /slo\.latencyMs: .*finite/),
  bad('latencyMs: a string', { slo: { latencyMs: 'fast' } }, /slo\.latencyMs: .*"fast"/),
  bad('accuracyMin: 101', { slo: { accuracyMin: 101 } }, /slo\.accuracyMin: .*0\.\.100.*101/),
  bad('accuracyMin: negative', { slo: { accuracyMin: -1 } }, /slo\.accuracyMin: .*-1/),
  bad('costUsdMax: negative', { slo: { costUsdMax: -0.1 } }, /slo\.costUsdMax: .*-0\.1/),
  bad('onMiss: unknown', { onMiss: 'explode' }, /^onMiss: .*"explode"/),
  bad('timeoutMs: zero', { timeoutMs: 0 }, /^timeoutMs: .*1\.\.600000/),
  bad('timeoutMs: a day', { timeoutMs: 86_400_000 }, /^timeoutMs: .*86400000/),
  bad('priority: 10', { priority: 10 }, /^priority: .*0\.\.9.*10/),
  bad('priority: a fraction', { priority: 0.5 }, /^priority: .*0\.5/),
  bad('outputs: a string', { outputs: 'logits' }, /^outputs: .*"logits"/),
  bad('outputs: a number in it', { outputs: ['logits', 3] }, /^outputs\[1\]: .*3/),
  bad('outputs: too many', { outputs: ['a', 'b', 'c', 'd', 'e'] }, /^outputs: 5/, 'too_large'),
  bad('outputs: an unknown one', { outputs: ['probabilities'] }, /probabilities/),
  bad('trace: a number', { trace: 1 }, /^trace: /),
  bad('op: unknown', { op: 'dance' }, /dance.*known/),
  bad('op: a number', { op: 3 }, /^op: .*3/),
  bad('op: not a query’s', { op: 'subscribe' }, /subscribe is offered over|unknown field "task"/),
];

const inputs: readonly BadCase[] = [
  badFrame('no inputs', encode(without('inputs')), /^inputs: .*nothing/),
  bad('inputs: an array', { inputs: [] }, /^inputs: .*an array/),
  bad('inputs: none', { inputs: {} }, /^inputs: .*at least one/),
  bad('inputs: too many', { inputs: { a: 1, b: 1, c: 1, d: 1, e: 1 } }, /^inputs: 5/, 'too_large'),
  bad('inputs: an empty name', { inputs: { '': goodImage() } }, /^inputs: /),
  bad('an input that is bytes', { inputs: { image: new Uint8Array(3) } }, /"image".*3 bytes/),
  badTensor('a misspelt tensor field', { dtype: 'FP32' }, /"image".*dtype.*datatype/),
  badTensor('an unknown datatype', { datatype: 'FP99' }, /"image": datatype: .*"FP99"/),
  badTensor('a datatype that is a number', { datatype: 32 }, /"image": datatype: .*32/),
  badTensor('shape: a number', { shape: 784 }, /"image": shape: .*784/),
  badTensor('shape: 17 dimensions', { shape: new Array(17).fill(1) }, /17 dimensions/, 'too_large'),
  badTensor('shape: negative', { shape: [-1, 784] }, /"image": shape\[0\]: .*-1/),
  badTensor('shape: fractional', { shape: [1.5, 2] }, /"image": shape\[0\]: .*1\.5/),
  badTensor('shape: not safe', { shape: [2 ** 53] }, /"image": shape\[0\]: /),
  badTensor('shape: a bigint', { shape: [2n ** 60n] }, /"image": shape\[0\]: /),
  badTensor('shape: a string', { shape: ['batch', 784] }, /"image": shape\[0\]: .*"batch"/),
  badTensor('shape: overflowing', { shape: [2 ** 40, 2 ** 40] }, /"image": .*overflow/),
  badTensor('shape: a zero over an overflow', { shape: [2 ** 40, 2 ** 40, 0] }, /overflow/),
  badTensor('no data', { data: undefined }, /"image": data: .*(nothing|null)/),
  badTensor('data: a string', { data: 'AAAA' }, /"image": data: .*"AAAA"/),
  badTensor('fewer bytes than the shape', { data: new Uint8Array(4) }, /"image".*3136 bytes.*4/),
  badTensor('more bytes than the shape', { shape: [1, 1] }, /"image".*4 bytes.*3136/),
  badTensor('fewer elements than the shape', { data: [1, 2, 3] }, /"image".*3 elements.*784/),
  badTensor('nesting unlike the shape', { shape: [2, 2], data: [[1, 2], [3]] }, /"image".*depth 1/),
  badTensor('nested in part', { shape: [2, 2], data: [[1, 2], 3] }, /"image".*an array/),
  badTensor(
    'too many elements one by one',
    { shape: [5_001], data: new Array(5_001).fill(0) },
    /"image".*5001 elements.*5000.*bytes/,
    'too_large',
  ),
  badElement('FP32', 'x', /"image".*"x".*finite number/),
  badElement('FP32', NaN, /"image".*NaN.*finite/),
  badElement('FP32', 1e39, /"image".*range of FP32/),
  badElement('FP16', 70_000, /"image".*range of FP16/),
  badElement('UINT8', 256, /"image".*256.*0\.\.255/),
  badElement('INT8', -129, /"image".*-129.*-128\.\.127/),
  badElement('INT32', 1.5, /"image".*1\.5.*integer/),
  badElement('INT64', 2 ** 60, /"image".*integer/),
  badElement('INT64', '12x', /"image".*"12x"/),
  badElement('UINT64', -1, /"image".*-1.*0\.\./),
  badElement('BOOL', 2, /"image".*2.*true or false/),
  badElement('BYTES', 5, /"image".*5.*a string/),
  badElement('FP32', [1], /"image".*an array/),
  badTensor(
    'bytes 0..255 as BOOL',
    { datatype: 'BOOL', shape: [1], data: Uint8Array.of(7) },
    /0 or 1/,
  ),
  badTensor(
    'BYTES whose lengths disagree',
    { datatype: 'BYTES', shape: [1], data: Uint8Array.of(9, 0, 0, 0, 1) },
    /"image".*lengths disagree/,
  ),
  badTensor(
    'BYTES of too few elements',
    { datatype: 'BYTES', shape: [2], data: Uint8Array.of(1, 0, 0, 0, 65) },
    /"image".*2 elements.*1/,
  ),
];

/** What only the dispatcher can know. */
const meaning: readonly BadCase[] = [
  bad('an unknown task', { task: 'telepathy' }, /telepathy/, 'unknown_task'),
  bad('an unknown architecture', { architecture: 'gpt-9' }, /gpt-9/, 'unknown_architecture'),
  bad('an unknown variant', { variant: 'gpt-9/fp4' }, /gpt-9\/fp4/, 'unknown_variant'),
  bad('an infeasible accuracy', { slo: { accuracyMin: 100 } }, /accura.*99/, 'slo_infeasible'),
  bad(
    'an infeasible hard latency',
    { slo: { latencyMs: 0.0001 }, onMiss: 'reject' },
    /latencyMs|within 0\.0001 ms/,
    'slo_infeasible',
  ),
  bad('a wrong input name', { inputs: { picture: goodImage() } }, /"image".*missing/),
  bad('an input too many', { inputs: { image: goodImage(), more: goodImage() } }, /"more"/),
  badTensor(
    'a wrong datatype',
    { datatype: 'INT32', data: new Int32Array(784) },
    /"image".*INT32.*FP32 \[batch, 1, 28, 28\]/,
  ),
  badTensor('a wrong number of dimensions', { shape: [784] }, /"image".*1 dimensions/),
  badTensor('wrong dimensions', { shape: [1, 28, 28, 1] }, /"image".*\[1, 28, 28, 1\]/),
  badTensor('a batch of none', { shape: [0, 1, 28, 28], data: new Uint8Array(0) }, /"image"/),
];

export const badCases: readonly BadCase[] = [...frames, ...texts, ...fields, ...inputs, ...meaning];
