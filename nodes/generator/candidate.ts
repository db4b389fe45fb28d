/** Candidates: what could be made of a model, before anybody knows whether it is any good. */

export const precisions = [
  'fp32',
  'fp16',
  'fp16-weights',
  'int8-static',
  'int8-dynamic',
  'int8-weights',
  'int4-weights',
] as const;

/**
 * `fp32` is the source's own arithmetic; `…-weights` are smaller weights in that arithmetic;
 * `int8-dynamic` quantises activations while running, `int8-static` in ranges measured before.
 */
export type Precision = (typeof precisions)[number];

/** ONNX Runtime's levels; above `extended` tensors are laid out for one machine type. */
export const optimisationLevels = ['basic', 'extended', 'all'] as const;

export type OptimisationLevel = (typeof optimisationLevels)[number];

export interface Candidate {
  readonly precision: Precision;
  /** `none`: as the rewrite left it, for the runtime to optimise whenever it loads it. */
  readonly optimisation: OptimisationLevel | 'none';
}

/** `int8-static`, `fp32-all`. */
export function candidateName({ precision, optimisation }: Candidate): string {
  return optimisation === 'none' ? precision : `${precision}-${optimisation}`;
}

/** The candidate of that name. Throws RangeError where there is none. */
export function candidateNamed(name: string): Candidate {
  for (const precision of precisions) {
    for (const optimisation of ['none', ...optimisationLevels] as const) {
      const candidate = { precision, optimisation };
      if (candidateName(candidate) === name) return candidate;
    }
  }
  throw new RangeError(`there is no candidate "${name}"`);
}

/** A manifest's words: a kind of precision means all of its forms. */
export function precisionsNamed(word: string): readonly Precision[] {
  return precisions.filter((precision) => precision === word || precision.startsWith(`${word}-`));
}

/** The kind that a tolerance is given for. */
export function precisionKind(precision: Precision): 'fp32' | 'fp16' | 'int8' | 'int4' {
  const [kind] = precision.split('-');
  return kind as 'fp32' | 'fp16' | 'int8' | 'int4';
}
