/**
 * The digits of the demo: held-out ones that come with the bundled models, drawn by a seed, or the
 * user's own PNG files, whose label stands in the folder's or the file's name.
 */

import { readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

import type { TensorDescription } from '../../../actors/domain/fleet-description.ts';
import { messageOf } from '../../../runtime/errors.ts';
import { splitRandom } from '../../../runtime/random.ts';
import type { Tensor } from '../../../runtime/wire/tensors.ts';
import { packageRoot } from '../../package-root.ts';
import { CommandFailed } from '../errors.ts';
import { decodePng, imageTensor } from '../image.ts';
import { parseNpy } from '../npy.ts';
import { fitArray } from '../read-input.ts';

export interface Digit {
  /** FP32 [1, 1, 28, 28], 0..1. */
  readonly image: Tensor;
  readonly label: number;
}

const digitsMax = 100_000;

/** All held-out digits, in an order that the seed alone decides. */
export function heldOutDigits(input: TensorDescription, seed: number): Digit[] {
  const folder = join(packageRoot(), 'zoo', 'digit-classification');
  const pixels = readNpyFile(join(folder, 'heldout-images.npy'));
  const labels = readNpyFile(join(folder, 'heldout-labels.npy')).data;
  const [, height = 0, width = 0] = pixels.shape;
  const size = height * width;
  const digits = Array.from(labels, (label, index) => {
    const data = pixels.data.subarray(index * size, (index + 1) * size);
    const one: Tensor = { datatype: pixels.datatype, shape: [height, width], data };
    return { image: fitArray(one, input, 'heldout-images.npy', []), label };
  });
  return shuffled(digits, seed);
}

function readNpyFile(path: string): Tensor {
  try {
    return parseNpy(readFileSync(path), path);
  } catch (error) {
    throw new CommandFailed(
      `cannot read the held-out digits: ${messageOf(error)}`,
      'bad_file',
      error,
    );
  }
}

/** PNG files of `folder` and the folders in it: `7/xyz.png`, `xyz_7.png` or `7.png`. */
export function digitsFrom(folder: string, input: TensorDescription, seed: number): Digit[] {
  const files = pngFiles(folder);
  const digits: Digit[] = [];
  for (const file of files) {
    const label = labelOf(file);
    if (label === undefined) continue;
    digits.push({ image: imageTensor(decodePng(readFileSync(file), file), input, file), label });
  }
  if (digits.length > 0) return shuffled(digits, seed);
  const what =
    files.length === 0
      ? 'there is no PNG file in it'
      : `${String(files.length)} PNG files, but no label in their names`;
  throw new CommandFailed(
    `--digits ${folder}: ${what}; name files ${join(folder, '7', 'a.png')} or a_7.png`,
    'bad_file',
  );
}

function pngFiles(folder: string): string[] {
  try {
    return readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.toLowerCase().endsWith('.png'))
      .sort()
      .slice(0, digitsMax)
      .map((name) => join(folder, name));
  } catch (error) {
    throw new CommandFailed(`--digits ${folder}: ${messageOf(error)}`, 'bad_file', error);
  }
}

/** The folder's name where it is one digit, else a lone digit at the end of the file's name. */
export function labelOf(file: string): number | undefined {
  const folder = basename(dirname(file));
  if (/^\d$/.test(folder)) return Number(folder);
  const last = /(?:^|\D)(\d)\.png$/i.exec(basename(file))?.[1];
  return last === undefined ? undefined : Number(last);
}

/** Fisher–Yates. */
function shuffled<T>(values: readonly T[], seed: number): T[] {
  const random = splitRandom(seed, 'digits');
  const drawn = [...values];
  for (let at = drawn.length - 1; at > 0; at -= 1) {
    const other = Math.floor(random() * (at + 1));
    [drawn[at], drawn[other]] = [drawn[other] as T, drawn[at] as T];
  }
  return drawn;
}
