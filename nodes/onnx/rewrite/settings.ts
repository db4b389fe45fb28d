/** What rewrites can be told, and the operators that they know weights of. */

import type { NodeProto } from '../proto.ts';
import { isDefaultDomain } from './nodes.ts';

export interface RewriteSettings {
  /** Weights with fewer elements stay as they are: little is gained, and accuracy is lost. */
  readonly elementsMin: number;
  /** Operators that are left alone, by type. */
  readonly keep: readonly string[];
}

export const rewriteDefaults: RewriteSettings = { elementsMin: 512, keep: [] };

/** Operators whose weights can be quantised: which inputs, and along which axis channels lie. */
export function weightInputs(
  node: NodeProto,
): readonly { readonly index: number; readonly axis: number | undefined }[] {
  if (!isDefaultDomain(node)) return [];
  switch (node.opType) {
    case 'Conv':
      return [{ index: 1, axis: 0 }];
    case 'ConvTranspose':
      return [{ index: 1, axis: undefined }];
    case 'MatMul':
      return [{ index: 1, axis: 1 }];
    case 'Gemm':
      return [{ index: 1, axis: node.attribute.some(isTransposedB) ? 0 : 1 }];
    case 'LSTM':
    case 'GRU':
    case 'RNN':
      return [
        { index: 1, axis: undefined },
        { index: 2, axis: undefined },
      ];
    default:
      return [];
  }
}

function isTransposedB(attribute: { readonly name: string; readonly i: bigint }): boolean {
  return attribute.name === 'transB' && attribute.i !== 0n;
}
