/**
 * PNG images as inputs: decoded, brought to the height and width that the input asks by averaging
 * areas, and to one grey channel or three. Pixels run from 0 to 1 as floats, from 0 to 255 as
 * UINT8.
 */

import { PNG } from 'pngjs';

import type { TensorDescription } from '../../actors/domain/fleet-description.ts';
import { messageOf } from '../../runtime/errors.ts';
import { packElements } from '../../runtime/wire/tensor-elements.ts';
import type { Tensor } from '../../runtime/wire/tensors.ts';
import { CommandFailed } from './errors.ts';

/** One channel after another, each row-major, 0..1. */
export interface Planes {
  readonly width: number;
  readonly height: number;
  readonly channels: readonly Float64Array[];
}

const pixelsMax = 50_000_000;
const pngMagic = [0x89, 0x50, 0x4e, 0x47];

export function isPng(content: Uint8Array): boolean {
  return pngMagic.every((byte, at) => content[at] === byte);
}

/** Red, green and blue; what is transparent lies on black. Fails with CommandFailed. */
export function decodePng(content: Uint8Array, file: string): Planes {
  refuseHuge(content, file);
  let png: PNG;
  try {
    png = PNG.sync.read(Buffer.from(content.buffer, content.byteOffset, content.byteLength));
  } catch (error) {
    throw new CommandFailed(
      `${file}: not a PNG image that can be read: ${messageOf(error)}`,
      'bad_file',
      error,
    );
  }
  const { width, height, data } = png;
  const channels = [0, 1, 2].map((channel) =>
    Float64Array.from({ length: width * height }, (_, pixel) => {
      const alpha = (data[pixel * 4 + 3] ?? 0) / 255;
      return ((data[pixel * 4 + channel] ?? 0) / 255) * alpha;
    }),
  );
  return { width, height, channels };
}

/** The size stands in the first chunk: known before anything is unpacked. */
function refuseHuge(content: Uint8Array, file: string): void {
  if (content.length < 24) return;
  const view = new DataView(content.buffer, content.byteOffset, content.byteLength);
  const pixels = view.getUint32(16) * view.getUint32(20);
  if (pixels <= pixelsMax) return;
  const size = `${String(view.getUint32(16))} × ${String(view.getUint32(20))} pixels`;
  throw new CommandFailed(`${file}: ${size} are more than ${String(pixelsMax)}`, 'too_large');
}

/** ITU-R BT.601 luma. */
export function toGrey(planes: Planes): Planes {
  const [red, green, blue] = planes.channels;
  if (red === undefined || green === undefined || blue === undefined) return planes;
  const grey = red.map(
    (value, pixel) => 0.299 * value + 0.587 * (green[pixel] ?? 0) + 0.114 * (blue[pixel] ?? 0),
  );
  return { ...planes, channels: [grey] };
}

/**
 * Each target pixel is the mean of the source area it covers: no aliasing when an image shrinks.
 */
export function resize(planes: Planes, width: number, height: number): Planes {
  if (planes.width === width && planes.height === height) return planes;
  const columns = coverage(planes.width, width);
  const rows = coverage(planes.height, height);
  const channels = planes.channels.map((source) => {
    const target = new Float64Array(width * height);
    for (let y = 0; y < height; y += 1) {
      for (let x = 0; x < width; x += 1) {
        let sum = 0;
        for (const [row, rowShare] of rows[y] ?? []) {
          for (const [column, columnShare] of columns[x] ?? []) {
            sum += (source[row * planes.width + column] ?? 0) * rowShare * columnShare;
          }
        }
        target[y * width + x] = sum;
      }
    }
    return target;
  });
  return { width, height, channels };
}

/** For each of `to` cells: which of the `from` cells it covers, and with what share. Sums to 1. */
function coverage(from: number, to: number): (readonly [number, number])[][] {
  const scale = from / to;
  return Array.from({ length: to }, (_, cell) => {
    const start = cell * scale;
    const end = start + scale;
    const covered: (readonly [number, number])[] = [];
    for (let at = Math.floor(start); at < end && at < from; at += 1) {
      const share = (Math.min(end, at + 1) - Math.max(start, at)) / scale;
      if (share > 1e-9) covered.push([at, share]);
    }
    return covered;
  });
}

/** Where height, width and channels lie in the shape an input asks. */
interface ImageLayout {
  readonly channels: 1 | 3;
  readonly height: number;
  readonly width: number;
  readonly channelsLast: boolean;
}

/**
 * Undefined where the shape is none of an image: `[H, W]`, `[b, H, W]`, `[b, C, H, W]`, `[b, H, W,
 * C]`.
 */
export function imageLayout(shape: readonly number[]): ImageLayout | undefined {
  const [a = 0, b = 0, c = 0, d = 0] = shape;
  const oneOrThree = (size: number): size is 1 | 3 => size === 1 || size === 3;
  switch (shape.length) {
    case 2:
      return { channels: 1, height: a, width: b, channelsLast: false };
    case 3:
      return a === 3
        ? { channels: 3, height: b, width: c, channelsLast: false }
        : { channels: 1, height: b, width: c, channelsLast: false };
    case 4:
      if (oneOrThree(b)) return { channels: b, height: c, width: d, channelsLast: false };
      if (oneOrThree(d)) return { channels: d, height: b, width: c, channelsLast: true };
      return undefined;
    default:
      return undefined;
  }
}

/** The image as a tensor of one for the input; variable sizes take the image's own. */
export function imageTensor(planes: Planes, input: TensorDescription, file: string): Tensor {
  const layout = imageLayout(input.shape);
  const scale = { FP16: 1, FP32: 1, FP64: 1, UINT8: 255 }[input.datatype as string];
  if (layout === undefined || scale === undefined) {
    const wants = `${input.datatype} [${input.shape.join(', ')}]`;
    throw new CommandFailed(
      `${file}: an image cannot be the input "${input.name}", which is ${wants}`,
      'bad_file',
    );
  }
  const width = layout.width > 0 ? layout.width : planes.width;
  const height = layout.height > 0 ? layout.height : planes.height;
  const coloured = layout.channels === 1 ? toGrey(planes) : planes;
  const { channels } = resize(coloured, width, height);
  const values = layout.channelsLast ? interleave(channels) : channels.flatMap((one) => [...one]);
  const scaled = scale === 1 ? values : values.map((value) => Math.round(value * scale));
  const shape = sentShape(input.shape, layout, width, height);
  const packed = packElements(input.datatype, shape, scaled);
  if (!packed.ok) throw new CommandFailed(`${file}: ${packed.problem}`, 'bad_file');
  return { datatype: input.datatype, shape, data: packed.data };
}

function interleave(channels: readonly Float64Array[]): number[] {
  const pixels = channels[0]?.length ?? 0;
  return Array.from({ length: pixels }, (_, pixel) =>
    channels.map((channel) => channel[pixel] ?? 0),
  ).flat();
}

function sentShape(
  shape: readonly number[],
  layout: ImageLayout,
  width: number,
  height: number,
): number[] {
  const heightAxis = shape.length - (layout.channelsLast ? 3 : 2);
  return shape.map((size, axis) => {
    if (axis === heightAxis) return height;
    if (axis === heightAxis + 1) return width;
    return size < 0 ? 1 : size;
  });
}
