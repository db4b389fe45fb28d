/**
 * 24 image classifiers as variants for CPU, GPU and Inferentia: what scenarios serve that name no
 * variants of their own. The figures of the table are measured and public; everything else is
 * modelled (`modelled.ts`).
 *
 * Source of the table: huggingface/pytorch-image-models, `results/` (Apache-2.0): top-1 accuracy on
 * ImageNet and parameters (`results-imagenet.csv`), milliseconds at batch 1 on an Intel i9-10940X
 * in fp32 (`benchmark-infer-fp32-nchw-pt240-cpu-i9_10940x-dynamo.csv`), samples a second at a batch
 * of hundreds on an RTX 3090 with mixed precision (`…-amp-nchw-pt240-cu124-rtx3090.csv`).
 */

import type { HardwareKind } from '../../actors/domain/hardware.ts';
import type { Variant } from '../../actors/domain/variant.ts';
import { type Modelled, modelledConstants } from './modelled.ts';
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
const neuronBatches = [1, 4, 10];

/** Dynamic 8-bit weights, and the scales that go with them, against 32-bit ones. */
const int8Size = 0.27;

const mebibyte = 1024 * 1024;

type Measured = (typeof measured)[number];

/** Every variant, 12 of each architecture: 288. */
export function imageClassifiers(modelled: Modelled = modelledConstants): Variant[] {
  return measured.flatMap((row) => [
    ...cpuBatches.map((batchMax) => onCpu(row, 'fp32', batchMax, modelled)),
    onCpu(row, 'int8', 8, modelled),
    ...gpuBatches.map((batchMax) => onGpu(row, batchMax, modelled)),
    ...neuronBatches.map((batchMax) => onNeuronCore(row, batchMax, modelled)),
  ]);
}

function onCpu(
  row: Measured,
  precision: 'fp32' | 'int8',
  batchMax: number,
  modelled: Modelled,
): Variant {
  const [, side, accuracy, , cpuMs] = row;
  const quantised = precision === 'int8';
  const perQueryMs = (modelled.oneCoreSlowdown * cpuMs) / (quantised ? modelled.int8Speed : 1);
  return simulatedVariant({
    ...named(row, precision, 'cpu', batchMax),
    accuracy: accuracy - (quantised ? modelled.int8AccuracyLost : 0),
    ...costs(row, 'cpu', quantised ? int8Size : 1, modelled),
    fixedMs: perQueryMs * modelled.cpuFixedShare,
    perQueryMs: perQueryMs * (1 - modelled.cpuFixedShare),
    measuredOn: `i9-10940X, ${String(side)} px (timm)`,
  });
}

function onGpu(row: Measured, batchMax: number, modelled: Modelled): Variant {
  const [, side, accuracy, , , gpuQps] = row;
  return simulatedVariant({
    ...named(row, 'amp', 'cuda', batchMax),
    accuracy,
    ...costs(row, 'cuda', 1, modelled),
    fixedMs: modelled.gpuFixedMs,
    perQueryMs: 1_000 / gpuQps,
    measuredOn: `RTX 3090, ${String(side)} px (timm)`,
  });
}

/** A unit is one of the four NeuronCores of a chip. */
function onNeuronCore(row: Measured, batchMax: number, modelled: Modelled): Variant {
  const [, side, accuracy, , , gpuQps] = row;
  return simulatedVariant({
    ...named(row, 'fp16', 'inferentia', batchMax),
    accuracy,
    // 16-bit weights.
    ...costs(row, 'inferentia', 0.5, modelled),
    fixedMs: modelled.neuronFixedMs,
    perQueryMs: 1_000 / (gpuQps * modelled.neuronCoreShare),
    measuredOn: `modelled on ResNet-50 on inf1 (Neuron), ${String(side)} px`,
  });
}

function named([model]: Measured, precision: string, hardware: HardwareKind, batchMax: number) {
  const architecture = model.replace(/\..*$/, '');
  return {
    id: `${architecture}-${precision}-${hardware}-b${String(batchMax)}`,
    ...{ architecture, task: 'image-classification', dataset: 'imagenet' },
    ...{ precision, hardware, batchMax },
  };
}

/** @param size Of the weights against 4 bytes a parameter. */
function costs(
  [, , , millions]: Measured,
  kind: 'cpu' | 'cuda' | 'inferentia',
  size: number,
  modelled: Modelled,
) {
  const mebibytes = (size * millions * 1e6 * 4) / mebibyte;
  const isCpu = kind === 'cpu';
  const fixedMs = {
    cpu: modelled.cpuLoadFixedMs,
    cuda: modelled.gpuLoadFixedMs,
    inferentia: modelled.neuronLoadFixedMs,
  }[kind];
  const perMebibyte = isCpu ? modelled.cpuLoadMsPerMebibyte : modelled.acceleratorLoadMsPerMebibyte;
  const beside = isCpu ? modelled.cpuMemoryMebibytes : modelled.acceleratorMemoryMebibytes;
  return {
    loadMs: fixedMs + perMebibyte * mebibytes,
    memoryBytes: Math.round((beside + mebibytes) * mebibyte),
  };
}
