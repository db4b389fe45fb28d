/** Activations that are quantised while running, by the range that they then have. */

import type { NodeProto } from '../proto.ts';
import { makeNode } from './nodes.ts';
import type { Scope } from './scope.ts';

/** Quantised activation: names of its integers, scale and zero point. */
export interface DynamicActivation {
  readonly values: string;
  readonly scale: string;
  readonly zeroPoint: string;
}

/** DynamicQuantizeLinear of an activation, made once a graph and used by all who need it. */
export function dynamicActivation(
  name: string,
  scope: Scope,
): { readonly activation: DynamicActivation; readonly nodes: readonly NodeProto[] } {
  const nodes: NodeProto[] = [];
  const values = scope.once(`dynamic:${name}`, () => {
    const fresh = scope.names.fresh(`${name}_dq`);
    const outputs = [fresh, `${fresh}_scale`, `${fresh}_zero`];
    nodes.push(makeNode('DynamicQuantizeLinear', [name], outputs));
    return fresh;
  });
  const activation = { values, scale: `${values}_scale`, zeroPoint: `${values}_zero` };
  return { activation, nodes };
}
