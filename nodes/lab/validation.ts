/**
 * Validation sets: JSON lines, an example each, read one after the other.
 *
 *     {"inputs": {"image": [[0, 0.5, …], …]}, "label": 7}
 *     {"inputs": {"image": {"datatype": "UINT8", "shape": [1, 1, 28, 28], "base64": "…",
 *                           "scale": 0.00392156862745098}}, "label": 7}
 *
 * An input is written as in a query (nested numbers, or datatype, shape and data) by the task's
 * names, one query an example; or as base64 of its row-major little-endian bytes. Where its
 * datatype is not the signature's it is converted, times `scale`. Blank lines are skipped.
 */

import { createReadStream } from 'node:fs';

import { z } from 'zod';

import type { Signature } from '../../actors/domain/signature.ts';
import { checkInputs, createInputChecker } from '../../actors/domain/signature.ts';
import { messageOf } from '../../runtime/errors.ts';
import { datatypes, type NamedTensors, type Tensor } from '../../runtime/wire/tensors.ts';
import { convertTensor } from '../cli/convert-tensor.ts';
import { tensorFromJson } from '../cli/json-input.ts';
import { ValidationInvalid } from './errors.ts';
import type { LabLimits } from './messages.ts';

export interface Example {
  readonly line: number;
  readonly inputs: NamedTensors;
  /** Undefined where the line has none. */
  readonly label: unknown;
}

const lineSchema = z.strictObject({
  inputs: z.record(z.string(), z.unknown()),
  label: z.unknown().optional(),
});

const packedSchema = z.strictObject({
  datatype: z.enum(datatypes),
  shape: z.array(z.int().nonnegative()),
  base64: z.base64(),
  scale: z.number().optional(),
});

/** Throws ValidationInvalid naming the file and the line. */
export async function* readExamples(
  file: string,
  signature: Signature,
  limits: Pick<LabLimits, 'validationLinesMax' | 'validationLineBytesMax'>,
): AsyncGenerator<Example> {
  const checker = createInputChecker(signature);
  let line = 0;
  const bounded = boundedLines(file, limits.validationLineBytesMax);
  for await (const text of bounded) {
    line += 1;
    if (line > limits.validationLinesMax) {
      const message = `it has more lines than ${String(limits.validationLinesMax)}, the limit`;
      throw new ValidationInvalid(message, file, line);
    }
    if (text.trim() === '') continue;
    const invalid = (message: string, cause?: unknown): ValidationInvalid =>
      new ValidationInvalid(message, file, line, cause);
    const { inputs: written, label } = parseLine(text, invalid);
    const inputs: Record<string, Tensor> = {};
    for (const [name, value] of Object.entries(written)) {
      const spec = Object.hasOwn(signature.inputs, name) ? signature.inputs[name] : undefined;
      if (spec === undefined) {
        const known = Object.keys(signature.inputs).join(', ');
        throw invalid(`there is no input "${name}"; the signature has ${known}`);
      }
      inputs[name] = readTensor(value, name, spec, invalid);
    }
    const checked = checkInputs(checker, inputs);
    if (!checked.ok) throw invalid(checked.error.message);
    if (checked.batch !== 1) {
      throw invalid(`an example is one query, not a batch of ${String(checked.batch)}`);
    }
    yield { line, inputs, label };
  }
}

type Invalid = (message: string, cause?: unknown) => ValidationInvalid;

function parseLine(text: string, invalid: Invalid): z.infer<typeof lineSchema> {
  let written: unknown;
  try {
    written = JSON.parse(text);
  } catch (error) {
    throw invalid(`it is no JSON: ${messageOf(error)}`, error);
  }
  const parsed = lineSchema.safeParse(written);
  if (parsed.success) return parsed.data;
  const expected = 'expected {"inputs": {…}, "label": …}';
  throw invalid(`${expected}: ${z.prettifyError(parsed.error).replace(/\s+/g, ' ')}`);
}

function readTensor(
  value: unknown,
  name: string,
  spec: Signature['inputs'][string],
  invalid: Invalid,
): Tensor {
  if (typeof value === 'object' && value !== null && 'base64' in value) {
    const parsed = packedSchema.safeParse(value);
    if (!parsed.success) {
      const what = z.prettifyError(parsed.error).replace(/\s+/g, ' ');
      throw invalid(`input "${name}": ${what}`);
    }
    const { datatype, shape, base64, scale = 1 } = parsed.data;
    const packed = { datatype, shape, data: new Uint8Array(Buffer.from(base64, 'base64')) };
    const converted = convertTensor(packed, spec.datatype, scale);
    if (!converted.ok) throw invalid(`input "${name}": ${converted.problem}`);
    return converted.tensor;
  }
  const shape = spec.shape.map((size) => (typeof size === 'number' ? size : -1));
  const description = { name, datatype: spec.datatype, shape, shared: spec.shared === true };
  try {
    return tensorFromJson(value, description, `input "${name}"`);
  } catch (error) {
    throw invalid(messageOf(error), error);
  }
}

/** Lines of a file, none longer than the limit: a file without line ends must not fill memory. */
async function* boundedLines(file: string, lineBytesMax: number): AsyncGenerator<string> {
  let pieces: Buffer[] = [];
  let bytes = 0;
  const add = (piece: Buffer): void => {
    pieces.push(piece);
    bytes += piece.length;
    if (bytes <= lineBytesMax) return;
    const message = `it has a line of more than ${String(lineBytesMax)} bytes, the limit`;
    throw new ValidationInvalid(message, file);
  };
  const take = (): string => {
    const line = Buffer.concat(pieces).toString('utf8');
    pieces = [];
    bytes = 0;
    return line;
  };
  for await (const chunk of chunksOf(file)) {
    let from = 0;
    for (let end = chunk.indexOf(lineEnd); end >= 0; end = chunk.indexOf(lineEnd, from)) {
      add(chunk.subarray(from, end));
      from = end + 1;
      yield take();
    }
    add(chunk.subarray(from));
  }
  yield take();
}

const lineEnd = 10;

async function* chunksOf(file: string): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of createReadStream(file)) yield chunk as Buffer;
  } catch (error) {
    throw new ValidationInvalid(`it cannot be read: ${messageOf(error)}`, file, undefined, error);
  }
}
