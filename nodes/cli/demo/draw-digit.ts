/**
 * A digit in characters: half its size each way, two pixels a character, for a look at what was
 * asked.
 */

import { widthOf } from '../table.ts';
import { type Tensor, typedArrayOf } from '../../../runtime/wire/tensors.ts';

const inkFrom = 0.35;

/** Lines of `█▀▄ `, as wide as half the image and as high as a quarter of it. */
export function drawDigit(image: Tensor): string[] {
  const width = image.shape.at(-1) ?? 0;
  const height = image.shape.at(-2) ?? 0;
  const pixels = typedArrayOf(image);
  const inked = (column: number, row: number): boolean => {
    const left = 2 * column;
    const corners = [0, 1].flatMap((y) => [0, 1].map((x) => (2 * row + y) * width + left + x));
    return corners.reduce((sum, at) => sum + Number(pixels[at] ?? 0), 0) / 4 >= inkFrom;
  };
  const columns = Math.floor(width / 2);
  const rows = Math.floor(height / 2);
  return Array.from({ length: Math.ceil(rows / 2) }, (_, line) =>
    Array.from({ length: columns }, (_column, column) => {
      const upper = inked(column, 2 * line);
      const lower = 2 * line + 1 < rows && inked(column, 2 * line + 1);
      if (upper) return lower ? '█' : '▀';
      return lower ? '▄' : ' ';
    }).join(''),
  );
}

/** Blocks of lines next to each other, each with a caption below. */
export function sideBySide(
  blocks: readonly { readonly lines: readonly string[]; readonly captions: readonly string[] }[],
): string {
  const height = Math.max(0, ...blocks.map(({ lines }) => lines.length));
  const padded = blocks.map(({ lines, captions }) => {
    const all = [...lines, ...Array<string>(height - lines.length).fill(''), ...captions];
    const width = Math.max(...all.map((line) => widthOf(line)));
    return all.map((line) => line + ' '.repeat(width - widthOf(line)));
  });
  const rows = Math.max(0, ...padded.map((lines) => lines.length));
  return Array.from({ length: rows }, (_, row) =>
    padded
      .map((lines) => lines[row] ?? '')
      .join('   ')
      .trimEnd(),
  ).join('\n');
}
