/**
 * Which candidates are worth making of a model, and why the others are not: from what the file says
 * of itself, before anything is rewritten. Pure.
 */

import type { ModelFacts } from '../onnx/facts.ts';
import { type Candidate, candidateName, type Precision } from './candidate.ts';
import type { GeneratorConfig } from './config.ts';

export interface PlanSettings extends Pick<
  GeneratorConfig,
  'precisions' | 'optimisations' | 'candidatesMax' | 'elementsMin'
> {
  /** `onnx.rewriteBytesMax`. */
  readonly rewriteBytesMax: number;
  /** Kinds of hardware that some worker has; arithmetic in fp16 gains nothing on `cpu`. */
  readonly hardware: readonly string[];
  /** Are there samples to measure ranges on? */
  readonly calibration: boolean;
}

export interface NotPlanned {
  readonly candidate: Candidate;
  readonly reason: string;
}

export interface CandidatePlan {
  readonly candidates: readonly Candidate[];
  readonly notPlanned: readonly NotPlanned[];
}

/** Candidates in the order in which they are most likely to be wanted. */
export function planCandidates(facts: ModelFacts, settings: PlanSettings): CandidatePlan {
  const candidates: Candidate[] = [];
  const notPlanned: NotPlanned[] = [];
  for (const precision of settings.precisions) {
    const reason = reasonAgainst(precision, facts, settings);
    // The optimiser folds the casts of halved weights, and writes them out whole again.
    const optimised = precision === 'fp16-weights' ? [] : settings.optimisations;
    const levels = ['none' as const, ...optimised];
    for (const optimisation of levels) {
      const candidate: Candidate = { precision, optimisation };
      // This one is the source: it is there already.
      if (candidateName(candidate) === 'fp32') continue;
      if (reason !== undefined) {
        notPlanned.push({ candidate, reason });
        break;
      }
      if (candidates.length < settings.candidatesMax) candidates.push(candidate);
      else notPlanned.push({ candidate, reason: 'generator.candidatesMax are planned already' });
    }
  }
  return { candidates, notPlanned };
}

function reasonAgainst(
  precision: Precision,
  facts: ModelFacts,
  settings: PlanSettings,
): string | undefined {
  if (precision === 'fp32') return undefined;
  if (facts.parameterBytes > settings.rewriteBytesMax) {
    const limit = `onnx.rewriteBytesMax (${settings.rewriteBytesMax})`;
    return `its ${facts.parameterBytes} bytes of parameters exceed ${limit}: raise that to have it`;
  }
  if (facts.floatParameters.FP32 < settings.elementsMin) {
    return `it has ${facts.floatParameters.FP32} FP32 parameters: too few to gain by`;
  }
  if (isQuantised(facts)) return 'it is quantised already';
  switch (precision) {
    case 'fp16':
      return settings.hardware.every((kind) => kind === 'cpu')
        ? 'no worker has hardware that computes in half precision'
        : undefined;
    case 'fp16-weights':
      return undefined;
    case 'int8-static':
      if (!settings.calibration) return 'there are no samples to measure ranges on';
      return without(facts, ['Conv', 'Gemm', 'MatMul']) ?? olderThan(facts, 10);
    case 'int8-dynamic':
      return without(facts, ['Conv', 'Gather', 'Gemm', 'LSTM', 'MatMul']) ?? olderThan(facts, 11);
    case 'int8-weights':
      return (
        without(facts, ['Conv', 'ConvTranspose', 'GRU', 'Gemm', 'LSTM', 'MatMul', 'RNN']) ??
        olderThan(facts, 10)
      );
    case 'int4-weights':
      return without(facts, ['Gemm', 'MatMul']);
  }
}

function isQuantised({ operators }: ModelFacts): boolean {
  return Object.keys(operators).some((name) =>
    /(?:Quantize|QLinear|MatMulNBits|(?:Conv|MatMul)Integer)/.test(name),
  );
}

function without({ operators }: ModelFacts, wanted: readonly string[]): string | undefined {
  return wanted.some((name) => operators[name] !== undefined)
    ? undefined
    : `it has no ${wanted.join(', ')}`;
}

function olderThan({ opsets }: ModelFacts, least: number): string | undefined {
  const version = opsets[''] ?? 0;
  return version < least ? `it has opset ${version}, the operators need ${least}` : undefined;
}
