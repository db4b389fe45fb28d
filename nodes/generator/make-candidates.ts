/**
 * Makes the files of candidates: prepares the source once, measures ranges once, rewrites, has ONNX
 * Runtime optimise, and drops what turns out to be a copy of something already there.
 *
 * All of it loads and runs models nobody has proven yet, and blocks while it does: it belongs into
 * the process that unproven models run in.
 */

import { rmSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';

import { messageOf } from '../../runtime/errors.ts';
import type { NamedTensors } from '../../runtime/wire/tensors.ts';
import { typedArrayOf } from '../../runtime/wire/tensors.ts';
import { domainOf } from '../onnx/check-model.ts';
import type { OnnxConfig } from '../onnx/config.ts';
import { factsOf } from '../onnx/facts.ts';
import { graphDigest } from '../onnx/graph-digest.ts';
import type { OnnxModel } from '../onnx/model.ts';
import { readModel } from '../onnx/read-model.ts';
import { toDynamicInt8 } from '../onnx/rewrite/dynamic-int8.ts';
import { withExposedTensors } from '../onnx/rewrite/exposed-tensors.ts';
import { toHalfPrecision } from '../onnx/rewrite/half-precision.ts';
import type { Range } from '../onnx/rewrite/quantise.ts';
import { RangeObserver } from '../onnx/rewrite/ranges.ts';
import type { RewriteReport, Rewritten } from '../onnx/rewrite/result.ts';
import type { RewriteSettings } from '../onnx/rewrite/settings.ts';
import { tensorsToCalibrate, toStaticInt8 } from '../onnx/rewrite/static-int8.ts';
import { toHalfWeights, toInt4Weights, toInt8Weights } from '../onnx/rewrite/weight-only.ts';
import { writeModel } from '../onnx/write-model.ts';
import { nodesOf } from '../onnx/walk.ts';
import { type Candidate, candidateName, precisionKind } from './candidate.ts';
import { compareOutputs, disagreement, type OutputComparison } from './compare-outputs.ts';
import type { GeneratorConfig } from './config.ts';
import { machineType, runtimeVersion } from './machine-type.ts';
import { optimiseFile } from './optimise-file.ts';
import { runModel } from './run-model.ts';

export interface MadeCandidate {
  readonly ok: true;
  readonly candidate: Candidate;
  readonly file: string;
  /** Beside it, when the model is too large for one file. */
  readonly dataFile: string | undefined;
  readonly bytes: number;
  readonly digest: string;
  readonly report: RewriteReport | undefined;
  /** Against the source, on the samples; empty without samples. */
  readonly comparison: readonly OutputComparison[];
  /** The runtime that alone has its operators; undefined for what any runtime can load. */
  readonly runtime: string | undefined;
  /** The machine type that alone may run it. */
  readonly machine: string | undefined;
}

export interface RefusedCandidate {
  readonly ok: false;
  readonly candidate: Candidate;
  readonly reason: string;
}

export type CandidateOutcome = MadeCandidate | RefusedCandidate;

export interface CandidateSource {
  readonly file: string;
  /** Where files are made; names are the candidates' names. */
  readonly folder: string;
  /** By the graph's input names; for ranges and for comparing. */
  readonly samples: readonly NamedTensors[];
  readonly generator: GeneratorConfig;
  readonly onnx: OnnxConfig;
  /** Digests of candidates that were made before, and their names. */
  readonly seen?: ReadonlyMap<string, string> | undefined;
}

export interface CandidateMaker {
  /** Never throws for what is wrong with the model: that is a refusal with its reason. */
  make(candidate: Candidate): Promise<CandidateOutcome>;
  /** Removes what was made on the way; candidates' files stay. */
  close(): void;
}

/** Reads the source. Throws ModelInvalid. */
export function createCandidateMaker(source: CandidateSource): CandidateMaker {
  return new Maker(source, readModel(source.file, source.onnx));
}

class Maker implements CandidateMaker {
  readonly #source: CandidateSource;
  readonly #given: OnnxModel;
  readonly #seen: Map<string, string>;
  readonly #scratch: string[] = [];
  #prepared: Promise<OnnxModel> | undefined;
  #ranges: Promise<ReadonlyMap<string, Range>> | undefined;
  #expected: Promise<readonly NamedTensors[]> | undefined;

  constructor(source: CandidateSource, given: OnnxModel) {
    this.#source = source;
    this.#given = given;
    this.#seen = new Map([...(source.seen ?? []), [graphDigest(given), 'the source']]);
  }

  async make(candidate: Candidate): Promise<CandidateOutcome> {
    const refuse = (reason: string): RefusedCandidate => ({ ok: false, candidate, reason });
    const file = join(this.#source.folder, `${candidateName(candidate)}.onnx`);
    try {
      const rewritten = await this.#rewrite(candidate);
      if (rewritten?.ok === false) return refuse(rewritten.reason);
      const model = await this.#write(candidate, rewritten?.model ?? this.#given, file);
      const digest = graphDigest(model);
      const twin = this.#seen.get(digest);
      if (twin !== undefined) {
        removeModel(file);
        return refuse(`it is the same graph as ${twin}`);
      }
      const comparison = await this.#compare(file);
      const errorMax = this.#source.generator.errorMax[precisionKind(candidate.precision)];
      const off = disagreement(comparison, errorMax);
      if (off !== undefined) {
        removeModel(file);
        return refuse(off);
      }
      this.#seen.set(digest, candidateName(candidate));
      const report = rewritten?.report;
      return {
        ok: true,
        candidate,
        report,
        comparison,
        digest,
        ...bindings(candidate, model),
        ...sizes(file),
      };
    } catch (error) {
      removeModel(file);
      return refuse(messageOf(error));
    }
  }

  close(): void {
    for (const file of this.#scratch) removeModel(file);
    this.#scratch.length = 0;
  }

  /** Undefined where there is nothing to rewrite. */
  async #rewrite({ precision }: Candidate): Promise<Rewritten | undefined> {
    if (precision === 'fp32') return undefined;
    const model = await this.#prepare();
    const settings: RewriteSettings = { elementsMin: this.#source.generator.elementsMin, keep: [] };
    switch (precision) {
      case 'fp16':
        return toHalfPrecision(this.#given, settings);
      case 'fp16-weights':
        // As it was given: folded constants are larger than what they were computed from.
        return toHalfWeights(this.#given, settings);
      case 'int8-dynamic':
        return toDynamicInt8(model, settings);
      case 'int8-weights':
        return toInt8Weights(model, settings);
      case 'int4-weights':
        return toInt4Weights(model, settings);
      case 'int8-static':
        return toStaticInt8(model, await this.#measure(model, settings), settings);
    }
  }

  /** Writes the candidate, optimised if it is to be, and reads it back: what is there counts. */
  async #write(candidate: Candidate, model: OnnxModel, file: string): Promise<OnnxModel> {
    const { optimisation } = candidate;
    if (optimisation === 'none') {
      writeModel(model, file, this.#source.onnx);
    } else if (model === this.#given) {
      await optimiseFile(model.file, optimisation, file, this.#externalName(model, file));
    } else {
      const plain = this.#scratchFile(candidateName(candidate));
      writeModel(model, plain, this.#source.onnx);
      await optimiseFile(plain, optimisation, file, this.#externalName(model, file));
      removeModel(plain);
    }
    return readModel(file, this.#source.onnx);
  }

  /**
   * Where the runtime is to put tensors, when a file cannot hold them all, or when the source has
   * some beside it: the runtime would leave those there.
   */
  #externalName(model: OnnxModel, file: string): string | undefined {
    const { parameterBytes, externalFiles } = factsOf(model);
    const tooLarge = parameterBytes > this.#source.onnx.singleFileBytesMax;
    return tooLarge || externalFiles.length > 0 ? `${basename(file)}.data` : undefined;
  }

  /**
   * The source with its constants folded and batch norms merged, as ONNX Runtime's portable level
   * does it: weights that exporters compute in the graph are found then. Where the runtime does
   * not write it, the source will do.
   */
  #prepare(): Promise<OnnxModel> {
    this.#prepared ??= (async () => {
      const file = this.#scratchFile('prepared');
      try {
        const external = this.#externalName(this.#given, file);
        await optimiseFile(this.#source.file, 'basic', file, external);
        return readModel(file, this.#source.onnx);
      } catch {
        return this.#given;
      }
    })();
    return this.#prepared;
  }

  #measure(model: OnnxModel, settings: RewriteSettings): Promise<ReadonlyMap<string, Range>> {
    this.#ranges ??= (async () => {
      const { calibration } = this.#source.generator;
      const names = tensorsToCalibrate(model, settings);
      const file = this.#scratchFile('exposed');
      writeModel(withExposedTensors(model, names), file, this.#source.onnx);
      const observer = new RangeObserver(calibration);
      const samples = this.#source.samples.slice(0, calibration.samplesMax);
      await runModel(file, samples, (outputs, sample) => {
        for (const name of names) {
          const tensor = outputs[name] ?? sample[name];
          if (tensor?.datatype === 'FP32') observer.see(name, typedArrayOf(tensor) as Float32Array);
        }
      });
      return observer.ranges();
    })();
    return this.#ranges;
  }

  async #compare(file: string): Promise<OutputComparison[]> {
    const samples = this.#source.samples.slice(0, this.#source.generator.compareSamplesMax);
    this.#expected ??= outputsOf(this.#source.file, samples);
    const expected = await this.#expected;
    return compareOutputs(expected, await outputsOf(file, samples));
  }

  #scratchFile(name: string): string {
    const file = join(this.#source.folder, `.${name}.onnx`);
    this.#scratch.push(file);
    return file;
  }
}

async function outputsOf(
  file: string,
  samples: readonly NamedTensors[],
): Promise<readonly NamedTensors[]> {
  const all: NamedTensors[] = [];
  await runModel(file, samples, (outputs) => all.push(outputs));
  return all;
}

/** Who can run it: any runtime, this one, this version of it, or only on this type of machine. */
function bindings(
  { optimisation }: Candidate,
  model: OnnxModel,
): Pick<MadeCandidate, 'runtime' | 'machine'> {
  const standard = new Set(['', 'ai.onnx.ml']);
  const isPrivate = [...nodesOf(model.proto.graph)].some((node) => !standard.has(domainOf(node)));
  const version = optimisation === 'none' ? 'onnxruntime' : runtimeVersion();
  return {
    runtime: isPrivate ? version : undefined,
    machine: optimisation === 'all' ? machineType() : undefined,
  };
}

function sizes(file: string): Pick<MadeCandidate, 'file' | 'dataFile' | 'bytes'> {
  const data = statSync(`${file}.data`, { throwIfNoEntry: false });
  const bytes = statSync(file).size + (data?.size ?? 0);
  return { file, dataFile: data === undefined ? undefined : `${file}.data`, bytes };
}

function removeModel(file: string): void {
  rmSync(file, { force: true });
  rmSync(`${file}.data`, { force: true });
}
