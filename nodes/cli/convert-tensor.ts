/**
 * The same values under another datatype: what a file holds is rarely what a model takes. Values
 * that the other datatype cannot hold are an error, `300` as UINT8 is not 44.
 */

import { bytesOf, type Datatype, type Tensor, typedArrayOf } from '../../runtime/wire/tensors.ts';
import { elementsOf, packElements } from '../../runtime/wire/tensor-elements.ts';

export type Converted =
  { readonly ok: true; readonly tensor: Tensor } | { readonly ok: false; readonly problem: string };

/** Each element times `scale`, as `datatype`; the shape stays. */
export function convertTensor(tensor: Tensor, datatype: Datatype, scale = 1): Converted {
  if (tensor.datatype === datatype && scale === 1) return { ok: true, tensor };
  const { shape } = tensor;
  if (datatype === 'FP32' && (tensor.datatype === 'UINT8' || tensor.datatype === 'INT16')) {
    const values = typedArrayOf(tensor) as Uint8Array | Int16Array;
    const data = bytesOf(Float32Array.from(values, (value) => value * scale));
    return { ok: true, tensor: { datatype, shape, data } };
  }
  const elements = elementsOf(tensor);
  const scaled = scale === 1 ? elements : elements.map((value) => Number(value) * scale);
  const packed = packElements(datatype, shape, scaled);
  return packed.ok ? { ok: true, tensor: { datatype, shape, data: packed.data } } : packed;
}
