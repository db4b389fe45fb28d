/**
 * The same digit asked at two accuracies: two different variants answer.
 *
 * With a system running (`npm start`): npx tsx examples/two-slos.ts [ws://127.0.0.1:8080]
 */

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { connect } from '../client/index.ts';

const images = readFileSync(
  fileURLToPath(new URL('../zoo/digit-classification/heldout-images.npy', import.meta.url)),
);
/** NumPy's format 1.0: ten bytes, then a header of the length that the last two say. */
const pixelsAt = 10 + images.readUInt16LE(8);
const data = Float32Array.from(images.subarray(pixelsAt, pixelsAt + 784), (pixel) => pixel / 255);

const infaas = await connect(process.argv[2] ?? 'ws://127.0.0.1:8080');
for (const accuracyMin of [90, 98]) {
  const answer = await infaas.query({
    task: 'digit-classification',
    dataset: 'mnist',
    slo: { accuracyMin, latencyMs: 50 },
    inputs: { image: { datatype: 'FP32', shape: [1, 1, 28, 28], data } },
  });
  const outcome = answer.ok
    ? `${answer.servedBy.variant} in ${answer.timing.totalMs.toFixed(1)} ms`
    : `${answer.error.code}: ${answer.error.message}`;
  console.log(`>= ${String(accuracyMin)} %: ${outcome}`);
}
await infaas.close();
