/**
 * What a file above the optimiser's level `extended` is bound to. The runtime itself is not loaded
 * for it: workers say what they are, and leave running models to other processes.
 */

import { createRequire } from 'node:module';
import { arch, cpus } from 'node:os';

const { version } = createRequire(import.meta.url)('onnxruntime-node/package.json') as {
  readonly version: string;
};

/**
 * The machine type that a file above `extended` is bound to: its layout fits the vectors of this
 * processor, and its operators are private to this version of the runtime.
 */
export function machineType(): string {
  const model = cpus()[0]?.model.replaceAll(/\s+/g, ' ').trim() ?? 'unknown processor';
  return `${arch()}, ${model}, ${runtimeVersion()}`;
}

export function runtimeVersion(): string {
  return `onnxruntime ${version}`;
}
