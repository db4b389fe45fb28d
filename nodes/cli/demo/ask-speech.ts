/**
 * A stream for the demo: frames of speech whose state goes from each answer into the next query.
 * The first query names the task alone; whoever answers it decides the architecture of the rest,
 * since state means something to its own architecture only.
 */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import type { QuerySelector } from '../client-options.ts';
import {
  bytesOf,
  type NamedTensors,
  type Tensor,
  typedArrayOf,
} from '../../../runtime/wire/tensors.ts';
import { packageRoot } from '../../package-root.ts';
import { percentile } from '../load/percentiles.ts';
import { parseNpy } from '../npy.ts';
import type { System } from '../system.ts';
import type { AskOptions } from './ask-digits.ts';

export const speechTask = { task: 'voice-activity-detection', dataset: 'speech-16khz' } as const;
const frame = 512;
const context = 64;
const speechFrom = 0.5;
const sampleRate = 16_000;
const slo = { latencyMs: 50 } as const;

export interface SpeechRow {
  readonly frames: number;
  readonly answered: number;
  readonly sloMet: number;
  readonly architecture: string;
  readonly variants: readonly string[];
  /** Of each frame, 0..1. */
  readonly probabilities: readonly number[];
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly firstError: string | undefined;
}

/** Samples of the bundled speech, -1..1. */
export function readSpeech(): Float32Array {
  const path = join(packageRoot(), 'zoo', 'voice-activity-detection', 'speech.npy');
  const samples = typedArrayOf(parseNpy(readFileSync(path), path));
  return Float32Array.from(samples as Int16Array, (sample) => sample / 32_768);
}

/** Frame `index` behind the 64 samples before it: FP32 [1, 576]. */
export function audioFrame(samples: Float32Array, index: number): Tensor {
  const heard = new Float32Array(context + frame);
  const end = (index + 1) * frame;
  const part = samples.subarray(Math.max(0, end - heard.length), end);
  heard.set(part, heard.length - part.length);
  return { datatype: 'FP32', shape: [1, heard.length], data: bytesOf(heard) };
}

/** Stops at `untilMs`: the row then tells of fewer frames. */
export async function askSpeech(
  options: AskOptions,
  frames: number,
  untilMs: number,
): Promise<SpeechRow> {
  const { system, timeoutMs } = options;
  const samples = readSpeech();
  const rate = { datatype: 'INT64', shape: [], data: int64(sampleRate) } as const;
  const stream = new Stream();
  const most = Math.min(frames, Math.floor(samples.length / frame));
  let asked = 0;
  for (let index = 0; index < most; index += 1) {
    if (asked > 0 && options.nowMs() > untilMs) break;
    asked += 1;
    const sentMs = options.nowMs();
    const answer = await system.query({
      ...stream.selector,
      slo,
      timeoutMs,
      inputs: { audio: audioFrame(samples, index), rate, ...stream.state },
    });
    options.onAnswer();
    if (!answer.ok) {
      stream.firstError ??= `${answer.error.code}: ${answer.error.message}`;
      continue;
    }
    stream.latencies.push(options.nowMs() - sentMs);
    stream.variants.add(answer.servedBy.variant);
    if (answer.slo.met) stream.sloMet += 1;
    stream.hear(answer.outputs);
    await stream.pin(system, answer.servedBy.architecture, answer.outputs);
  }
  return stream.row(asked);
}

class Stream {
  selector: QuerySelector = speechTask;
  state: NamedTensors = {};
  sloMet = 0;
  firstError: string | undefined;
  readonly latencies: number[] = [];
  readonly variants = new Set<string>();
  private readonly probabilities: number[] = [];
  /** State input -> the output that carries it on. */
  private carried: ReadonlyMap<string, string> | undefined;

  hear(outputs: NamedTensors): void {
    const { speech } = outputs;
    this.probabilities.push(speech === undefined ? NaN : Number(typedArrayOf(speech)[0]));
  }

  /** From the first answer on: this architecture, and its state from answer to query. */
  async pin(system: System, architecture: string, outputs: NamedTensors): Promise<void> {
    this.selector = { architecture };
    if (this.carried === undefined) {
      const known = await system.architectures();
      const inputs = known.find(({ name }) => name === architecture)?.inputs ?? [];
      this.carried = new Map(
        inputs.flatMap(({ name, state }) => (state === undefined ? [] : [[name, state] as const])),
      );
    }
    const state: Record<string, Tensor> = {};
    for (const [input, output] of this.carried) {
      const tensor = outputs[output];
      if (tensor !== undefined) state[input] = tensor;
    }
    this.state = state;
  }

  row(frames: number): SpeechRow {
    const sorted = Float64Array.from(this.latencies).sort();
    return {
      frames,
      answered: this.latencies.length,
      sloMet: this.sloMet,
      architecture: this.selector.architecture ?? '',
      variants: [...this.variants].sort(),
      probabilities: this.probabilities,
      p50Ms: percentile(sorted, 50),
      p95Ms: percentile(sorted, 95),
      firstError: this.firstError,
    };
  }
}

/** Share of frames that hold speech, 0..1. */
export function speechShare(row: SpeechRow): number {
  const heard = row.probabilities.filter((probability) => probability >= speechFrom).length;
  return row.probabilities.length === 0 ? 0 : heard / row.probabilities.length;
}

function int64(value: number): Uint8Array {
  return bytesOf(BigInt64Array.of(BigInt(value)));
}
