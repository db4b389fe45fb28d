/**
 * What is modelled, not measured: every constant that the simulator's hardware stands on, with its
 * reason. A scenario multiplies them by factors (`modelled: { gpuFixedMs: 0.5 }`), and the
 * experiments repeat themselves with each halved and doubled: what turns on one of them is no
 * conclusion.
 */

export const modelledConstants = {
  /**
   * Of a CPU batch, the share that does not grow with it: batch 8 has 1.05 times the throughput of
   * batch 1 (median over 46 ONNX Runtime profiles of Proteus, ASPLOS'24).
   */
  cpuFixedShare: 0.055,
  /**
   * The table's CPU times are of all 14 cores at one query; a batch here runs on one core, which
   * takes so many times as long (batch 1 of a convolutional network does not fill 14 cores).
   */
  oneCoreSlowdown: 4,
  /**
   * A GPU's batch costs a launch besides: about 40 µs a layer group, here 3 ms, of the order of the
   * intercepts in INFaaS' released profiles (2.7 ms for ResNet-50 under TensorRT).
   */
  gpuFixedMs: 3,
  /**
   * A NeuronCore of an Inferentia chip against the table's GPU, in queries a second. ResNet-50 in
   * fp16: 2,277/s on the four cores of an inf1.xlarge (aws-neuron/aws-neuron-sdk,
   * `neuron-guide/benchmark/data.csv` at 2a65c59, Neuron 1.17), 3,219/s on the GPU at 224 px. That
   * the ratio holds for other architectures is the model.
   */
  neuronCoreShare: 2_277 / 4 / 3_219,
  /**
   * Of a NeuronCore's batch: what does not grow with it, ms. The same source has 17.5 ms at batch
   * 10 for ResNet-50, 1.75 ms a query with this spread over ten.
   */
  neuronFixedMs: 1.5,
  /** Loading a variant, ms: a constant part. INFaaS' released profiles have 1.1 to 1.6 s. */
  cpuLoadFixedMs: 150,
  gpuLoadFixedMs: 900,
  /** 3.6 s for ResNet-50 in INFaaS' released profiles (98 MiB of weights). */
  neuronLoadFixedMs: 3_200,
  /** Loading: reading and laying out the weights, ms a MiB. */
  cpuLoadMsPerMebibyte: 1.5,
  acceleratorLoadMsPerMebibyte: 3,
  /** Activations and the runtime's own memory beside the weights, MiB. */
  cpuMemoryMebibytes: 60,
  acceleratorMemoryMebibytes: 500,
  /** Dynamic 8-bit weights on a CPU: how much faster, and what is lost, percentage points. */
  int8Speed: 1.6,
  int8AccuracyLost: 0.4,
  /** From the order of a machine to its joining: a factor on a group's `startUpS`. */
  startUp: 1,
  /** Factors on a scenario's `spread` and `interference`; `docs/interference.md` has the latter. */
  spread: 1,
  interference: 1,
  /** Between a gateway and a worker, ms, one way: a NATS hop, 0.12 to 0.24 ms as measured here. */
  hopMs: 0.2,
} as const;

export type ModelledName = keyof typeof modelledConstants;

export type Modelled = Readonly<Record<ModelledName, number>>;

export const modelledNames = Object.keys(modelledConstants) as [ModelledName, ...ModelledName[]];

/** @param factors 1 where not given. */
export function modelledBy(factors: Readonly<Partial<Record<ModelledName, number>>>): Modelled {
  const entries = modelledNames.map((name) => [
    name,
    modelledConstants[name] * (factors[name] ?? 1),
  ]);
  return Object.fromEntries(entries) as Record<ModelledName, number>;
}
