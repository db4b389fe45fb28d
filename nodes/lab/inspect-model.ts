/**
 * What a model file says of itself, before anything of it is run: that it is one, which files lie
 * beside it, and which candidates are worth making. Reading a large one takes a while and all of
 * its thread, hence here.
 */

import { candidateName } from '../generator/candidate.ts';
import { planCandidates } from '../generator/plan-candidates.ts';
import { factsOf, type ModelFacts } from '../onnx/facts.ts';
import { readModel } from '../onnx/read-model.ts';
import type { InspectOptions, InspectReport } from './messages.ts';

/** Throws ModelInvalid. */
export function inspectModel(file: string, { onnx, plan }: InspectOptions): InspectReport {
  const facts = factsOf(readModel(file, onnx));
  const planned = plan === undefined ? undefined : planCandidates(facts, plan);
  return {
    externalFiles: facts.externalFiles,
    precision: precisionOf(facts),
    candidates: planned?.candidates.map(candidateName) ?? [],
    notPlanned:
      planned?.notPlanned.map(({ candidate, reason }) => ({
        name: candidateName(candidate),
        reason,
      })) ?? [],
  };
}

/** By its operators, then by what most of its weights are. */
function precisionOf({ operators, floatParameters }: ModelFacts): string {
  if (Object.keys(operators).some((name) => /QLinear|Quantize|Integer|NBits/.test(name))) {
    return 'int8';
  }
  const { FP16, FP32, FP64 } = floatParameters;
  if (FP16 > FP32 && FP16 > FP64) return 'fp16';
  return FP64 > FP32 ? 'fp64' : 'fp32';
}
