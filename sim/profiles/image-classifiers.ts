/**
 * 24 image classifiers as variants for CPU and GPU: what scenarios serve that name no
 * variants of their own. The figures of the table are measured and public; everything else is
 * modelled, and says so beside its constant.
 *
 * Source of the table: huggingface/pytorch-image-models, `results/` (Apache-2.0): top-1 accuracy on
 * ImageNet and parameters (`results-imagenet.csv`), milliseconds at batch 1 on an Intel i9-10940X
 * in fp32 (`benchmark-infer-fp32-nchw-pt240-cpu-i9_10940x-dynamo.csv`), samples a second at a batch
 * of hundreds on an RTX 3090 with mixed precision (`…-amp-nchw-pt240-cu124-rtx3090.csv`).
 */

import type { Variant } from '../../actors/domain/variant.ts';
import { simulatedVariant } from './simulated-variant.ts';

/** Model, image side, top-1 %, million parameters, CPU ms at batch 1, GPU samples a second. */
const measured: readonly (readonly [string, number, number, number, number, number])[] = [
  ['mobilenetv3_small_100.lamb_in1k', 224, 67.636, 2.54, 3.991, 31410.96],
  ['mobilenetv3_large_100.miil_in21k_ft_in1k', 224, 77.92, 5.48, 5.659, 11135.72],
  ['mobilenetv2_100.ra_in1k', 224, 72.91, 3.5, 5.299, 8629.73],
  ['mnasnet_100.rmsp_in1k', 224, 74.672, 4.38, 5.415, 9763.25],
  ['ghostnet_100.in1k', 224, 73.958, 5.18, 8.117, 9881.78],
  ['tf_efficientnet_b0.ns_jft_in1k', 224, 78.68, 5.29, 11.33, 6210.04],
  ['tf_efficientnet_b1.ns_jft_in1k', 240, 81.388, 7.79, 15.114, 4009.73],
  ['tf_efficientnet_b2.ns_jft_in1k', 260, 82.412, 9.11, 16.636, 3038.71],
  ['tf_efficientnet_b3.ns_jft_in1k', 300, 84.054, 12.23, 21.641, 1797.7],
  ['tf_efficientnet_b4.ns_jft_in1k', 380, 85.156, 19.34, 32.765, 871.25],
  ['densenet161.tv_in1k', 224, 77.384, 28.68, 41.894, 1249.24],
  ['densenet169.tv_in1k', 224, 75.922, 14.15, 30.075, 2245.68],
  ['densenet201.tv_in1k', 224, 77.284, 20.01, 39.186, 1750.03],
  ['vgg11.tv_in1k', 224, 69.05, 132.86, 107.646, 2887.76],
  ['vgg16.tv_in1k', 224, 71.594, 138.36, 117.85, 1021.7],
  ['vgg19.tv_in1k', 224, 72.4, 143.67, 121.627, 1266.93],
  ['inception_v3.gluon_in1k', 299, 78.806, 23.83, 22.986, 2349.22],
  ['inception_v4.tf_in1k', 299, 80.144, 42.68, 39.242, 1197.2],
  ['inception_resnet_v2.tf_in1k', 299, 80.434, 55.84, 47.499, 965.48],
  ['deit_tiny_patch16_224.fb_in1k', 224, 72.19, 5.72, 5.484, 10236.41],
  ['deit_small_patch16_224.fb_in1k', 224, 79.856, 22.05, 13.072, 4586.09],
  ['vit_small_patch16_224.augreg_in21k_ft_in1k', 224, 81.402, 22.05, 13.058, 4584.86],
  ['vit_base_patch16_224.augreg2_in21k_ft_in1k', 224, 85.108, 86.57, 30.879, 1570.66],
  ['swin_tiny_patch4_window7_224.ms_in1k', 224, 81.388, 28.29, 21.667, 1994.25],
];

/** Batch limits of the variants made of each, as the paper's generator makes them. */
const cpuBatches = [1, 4, 8];
const gpuBatches = [1, 4, 8, 16, 32];

/**
 * Modelled. On a CPU most of a batch's time grows with it: batch 8 has 1.05 times the throughput
 * of batch 1 (median over 46 ONNX Runtime profiles of Proteus, ASPLOS'24).
 */
const cpuFixedShare = 0.055;
/**
 * Modelled. The table's CPU times are of all 14 cores at one query; a batch here runs on one core,
 * which takes so many times as long (batch 1 of a convolutional network does not fill 14 cores).
 */
const oneCoreSlowdown = 4;
/**
 * Modelled. A GPU's batch costs a launch besides: about 40 µs a layer group, here 3 ms, of the
 * order of the intercepts in INFaaS' released profiles (2.7 ms for ResNet-50 under TensorRT).
 */
const gpuFixedMs = 3;
/** Modelled. Loading: a constant part, and reading and laying out the weights (4 bytes each). */
const loadFixedMs = { cpu: 150, cuda: 900 } as const;
const loadMsPerMebibyte = { cpu: 1.5, cuda: 3 } as const;
/** Modelled. Activations and the runtime's own, beside the weights. */
const memoryFixedMebibytes = { cpu: 60, cuda: 500 } as const;
/** Modelled. Dynamic 8-bit weights on a CPU: faster, smaller, a little less accurate. */
const int8 = { speed: 1.6, size: 0.27, accuracyLost: 0.4 } as const;

const mebibyte = 1024 * 1024;

/** Every variant, 9 of each architecture: 216. */
export function imageClassifiers(): Variant[] {
  return measured.flatMap(([model, side, accuracy, millions, cpuMs, gpuQps]) => {
    const architecture = model.replace(/\..*$/, '');
    const mebibytes = (millions * 1e6 * 4) / mebibyte;
    const common = { architecture, task: 'image-classification', dataset: 'imagenet' };
    const cpu = (precision: 'fp32' | 'int8', batchMax: number): Variant => {
      const quantised = precision === 'int8';
      const perQueryMs = (oneCoreSlowdown * cpuMs) / (quantised ? int8.speed : 1);
      return simulatedVariant({
        ...common,
        id: `${architecture}-${precision}-cpu-b${String(batchMax)}`,
        ...{ precision, hardware: 'cpu', batchMax },
        accuracy: accuracy - (quantised ? int8.accuracyLost : 0),
        ...times('cpu', mebibytes * (quantised ? int8.size : 1)),
        fixedMs: perQueryMs * cpuFixedShare,
        perQueryMs: perQueryMs * (1 - cpuFixedShare),
        measuredOn: `i9-10940X, ${String(side)} px (timm)`,
      });
    };
    const gpu = (batchMax: number): Variant =>
      simulatedVariant({
        ...common,
        id: `${architecture}-amp-cuda-b${String(batchMax)}`,
        ...{ precision: 'amp', hardware: 'cuda', batchMax, accuracy },
        ...times('cuda', mebibytes),
        fixedMs: gpuFixedMs,
        perQueryMs: 1_000 / gpuQps,
        measuredOn: `RTX 3090, ${String(side)} px (timm)`,
      });
    return [
      ...cpuBatches.map((batchMax) => cpu('fp32', batchMax)),
      cpu('int8', 8),
      ...gpuBatches.map(gpu),
    ];
  });
}

function times(kind: 'cpu' | 'cuda', mebibytes: number) {
  return {
    loadMs: loadFixedMs[kind] + loadMsPerMebibyte[kind] * mebibytes,
    memoryBytes: Math.round((memoryFixedMebibytes[kind] + mebibytes) * mebibyte),
  };
}
