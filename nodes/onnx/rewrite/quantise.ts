/**
 * Numbers to few bits and back. Symmetric: zero is zero, and the largest magnitude is the largest
 * integer, −128 left out. Stored as uint8 around 128: with int8 weights, processors without VNNI
 * add pairs of products in 16 bits, which saturates, and one file would be less accurate there.
 * Source: ONNX Runtime, docs/performance/model-optimizations/quantization ("U8S8").
 */

import type { Weight } from './scope.ts';

export interface Quantised {
  readonly dims: readonly number[];
  /** 128 is zero. */
  readonly values: Uint8Array;
  /** One a channel, or a single one. */
  readonly scales: Float32Array;
}

/** What a quantised weight of zero is. */
export const weightZero = 128;

/**
 * To 8 bits, `axis` being the channels' axis, or with one scale for all when it is undefined. A
 * channel of zeros has scale 1.
 */
export function quantiseWeight(weight: Weight, axis: number | undefined): Quantised {
  const { dims, floats } = weight;
  const channels = axis === undefined ? 1 : (dims[axis] ?? 1);
  const inner = axis === undefined ? floats.length : product(dims.slice(axis + 1));
  const largest = new Float32Array(channels);
  eachChannel(floats.length, channels, inner, (at, channel) => {
    const magnitude = Math.abs(floats[at] ?? 0);
    if (magnitude > (largest[channel] ?? 0)) largest[channel] = magnitude;
  });
  const scales = largest.map((magnitude) => scaleOf(magnitude, 127));
  const values = new Uint8Array(floats.length);
  eachChannel(floats.length, channels, inner, (at, channel) => {
    values[at] = weightZero + toInteger((floats[at] ?? 0) / (scales[channel] ?? 1), -127, 127);
  });
  return { dims, values, scales };
}

/** Visits elements with their channel, channels being `inner` elements long. */
function eachChannel(
  count: number,
  channels: number,
  inner: number,
  visit: (at: number, channel: number) => void,
): void {
  let channel = 0;
  let left = inner;
  for (let at = 0; at < count; at += 1) {
    visit(at, channel);
    left -= 1;
    if (left > 0) continue;
    left = inner;
    channel = channel + 1 === channels ? 0 : channel + 1;
  }
}

/** Never zero nor subnormal: it is divided by. */
export function scaleOf(magnitude: number, steps: number): number {
  const scale = Math.fround(magnitude / steps);
  return Number.isFinite(scale) && scale > 2 ** -126 ? scale : 1;
}

/** Rounds to nearest, halves to even, as QuantizeLinear does. */
export function toInteger(value: number, least: number, most: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  const up = rest > 0.5 || (rest === 0.5 && floor % 2 !== 0);
  const rounded = up ? floor + 1 : floor;
  return Math.min(most, Math.max(least, rounded));
}

export interface Range {
  readonly min: number;
  readonly max: number;
}

export interface Affine {
  readonly scale: number;
  readonly zeroPoint: number;
}

/** The uint8 that covers a range; zero is always among its values, as padding needs it. */
export function affineOf({ min, max }: Range): Affine {
  const low = Math.min(0, min);
  const high = Math.max(0, max);
  const scale = scaleOf(high - low, 255);
  return { scale, zeroPoint: toInteger(-low / scale, 0, 255) };
}

function product(numbers: readonly number[]): number {
  return numbers.reduce((all, each) => all * each, 1);
}

export interface Blocks {
  /** `[n, ceil(k / block), block / 2]`: two values a byte, the lower first, 8 being zero. */
  readonly packed: Uint8Array;
  /** `[n × ceil(k / block)]`. */
  readonly scales: Float32Array;
}

/**
 * A matrix `[k, n]` to 4 bits in blocks along k, as com.microsoft.MatMulNBits takes them. The value
 * of largest magnitude becomes −8, so that all 16 steps are used.
 */
export function quantiseBlocks(weight: Weight, block: number): Blocks {
  const [k = 0, n = 0] = weight.dims;
  const blocks = Math.ceil(k / block);
  const packed = new Uint8Array((n * blocks * block) / 2).fill(0x88);
  const scales = new Float32Array(n * blocks);
  for (let column = 0; column < n; column += 1) {
    for (let each = 0; each < blocks; each += 1) {
      const from = each * block;
      const to = Math.min(k, from + block);
      const scale = blockScale(weight.floats, n, column, from, to);
      scales[column * blocks + each] = scale;
      for (let row = from; row < to; row += 1) {
        const value = (weight.floats[row * n + column] ?? 0) / scale;
        const at = (column * blocks + each) * (block / 2) + ((row - from) >> 1);
        const step = toInteger(value, -8, 7) + 8;
        const byte = packed[at] ?? 0;
        packed[at] = (row - from) % 2 === 0 ? (byte & 0xf0) | step : (byte & 0x0f) | (step << 4);
      }
    }
  }
  return { packed, scales };
}

function blockScale(
  floats: Float32Array,
  stride: number,
  column: number,
  from: number,
  to: number,
): number {
  let extreme = 0;
  for (let row = from; row < to; row += 1) {
    const value = floats[row * stride + column] ?? 0;
    if (Math.abs(value) > Math.abs(extreme)) extreme = value;
  }
  const scale = Math.fround(extreme / -8);
  return Math.abs(scale) > 2 ** -126 && Number.isFinite(scale) ? scale : 1;
}
