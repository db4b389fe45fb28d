/**
 * Reads NumPy's .npy files (format 1.0 to 3.0, numpy.lib.format): a magic, a version, a header that
 * is a Python dictionary of three known keys, then the elements. C order, both byte orders; what
 * has no tensor datatype (objects, strings, complex numbers) is refused by name.
 */

import { bytesPerElement, type Datatype, elementCount } from '../../runtime/wire/tensors.ts';
import { CommandFailed } from './errors.ts';

export interface NpyArray {
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  /** Row-major, little-endian. */
  readonly data: Uint8Array;
}

const datatypeByCode: Readonly<Record<string, Datatype>> = {
  b1: 'BOOL',
  u1: 'UINT8',
  u2: 'UINT16',
  u4: 'UINT32',
  u8: 'UINT64',
  i1: 'INT8',
  i2: 'INT16',
  i4: 'INT32',
  i8: 'INT64',
  f2: 'FP16',
  f4: 'FP32',
  f8: 'FP64',
};

const magic = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59];
const dimensionsMax = 32;

/** Fails with CommandFailed naming `file` and what is wrong with it. */
export function parseNpy(content: Uint8Array, file: string): NpyArray {
  if (content.length < 10 || magic.some((byte, at) => content[at] !== byte)) {
    throw invalid(file, 'it does not begin like a .npy file');
  }
  const view = new DataView(content.buffer, content.byteOffset, content.byteLength);
  const major = content[6] ?? 0;
  if (major < 1 || major > 3) throw invalid(file, `format version ${String(major)} is unknown`);
  const lengthBytes = major === 1 ? 2 : 4;
  if (content.length < 8 + lengthBytes) throw invalid(file, 'its header is cut off');
  const length = major === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  const start = 8 + lengthBytes + length;
  if (start > content.length) throw invalid(file, 'its header is cut off');
  const header = new TextDecoder().decode(content.subarray(8 + lengthBytes, start));
  return arrayOf(header, content.subarray(start), file);
}

/** `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }`. */
function arrayOf(header: string, body: Uint8Array, file: string): NpyArray {
  const descr = /'descr'\s*:\s*'([<>|=]?)([a-zA-Z]\d*)'/.exec(header);
  const order = /'fortran_order'\s*:\s*(True|False)/.exec(header)?.[1];
  const dimensions = /'shape'\s*:\s*\(([^)]*)\)/.exec(header)?.[1];
  if (descr === null || order === undefined || dimensions === undefined) {
    throw invalid(file, `its header is not one of a plain array: ${header.trim().slice(0, 80)}`);
  }
  const datatype = datatypeByCode[descr[2] ?? ''];
  if (datatype === undefined) {
    throw invalid(file, `dtype ${descr[1] ?? ''}${descr[2] ?? ''} is not one a tensor can have`);
  }
  const shape = parseShape(dimensions, file);
  if (order === 'True' && shape.length > 1) {
    throw invalid(file, 'it is in Fortran order; save it with numpy.ascontiguousarray');
  }
  const bytes = elementCount(shape) * bytesPerElement(datatype);
  if (body.length !== bytes) {
    const what = `${String(bytes)} bytes of ${datatype} [${shape.join(', ')}]`;
    throw invalid(file, `its header tells of ${what}, ${String(body.length)} follow`);
  }
  const data = body.slice();
  if (descr[1] === '>') swapBytes(data, bytesPerElement(datatype));
  return { datatype, shape, data };
}

function parseShape(dimensions: string, file: string): number[] {
  const parts = dimensions.split(',').map((part) => part.trim());
  const shape = parts.filter((part) => part !== '').map((part) => Number(part.replace(/L$/, '')));
  if (
    shape.length > dimensionsMax ||
    shape.some((size) => !Number.isSafeInteger(size) || size < 0)
  ) {
    throw invalid(file, `its shape (${dimensions}) is not one`);
  }
  return shape;
}

function swapBytes(data: Uint8Array, size: number): void {
  for (let at = 0; at < data.length; at += size) data.subarray(at, at + size).reverse();
}

function invalid(file: string, what: string): CommandFailed {
  return new CommandFailed(`${file}: not a .npy file that can be read: ${what}`, 'bad_file');
}
