/** Turns the dispatcher's index into the description that clients and people read. Pure. */

import type { Signature, TensorSpec } from '../domain/signature.ts';
import { taskSignatureOf } from '../domain/signature.ts';
import { describeVariant } from '../domain/describe-variant.ts';
import type {
  ArchitectureDescription,
  FleetDescription,
  InstanceDescription,
  TaskDescription,
  TensorDescription,
  VariantDescription,
  WorkerDescription,
} from '../domain/fleet-description.ts';
import type { Candidates, FleetIndex, IndexedVariant } from './fleet-index.ts';
import type { WantedDescription } from './protocol.ts';

/** What is not wanted is empty. */
export function describeFleet(index: FleetIndex, wanted?: WantedDescription): FleetDescription {
  const wants = (part: keyof FleetDescription): boolean => wanted?.parts.includes(part) ?? true;
  const architectures = architecturesOf(index, wanted?.architecture);
  return {
    tasks: wants('tasks')
      ? [...index.datasets.keys()].map((task) => describeTask(index, task))
      : [],
    architectures: wants('architectures')
      ? architectures.map(([name, { variants }]) => describeArchitecture(name, variants))
      : [],
    variants: wants('variants') ? variantsOf(index, wanted?.architecture).map(describeIndexed) : [],
    workers: wants('workers') ? describeWorkers(index) : [],
    instances: wants('instances') ? describeInstances(index) : [],
  };
}

function variantsOf(index: FleetIndex, only: string | undefined): readonly IndexedVariant[] {
  if (only === undefined) return [...index.variants.values()];
  return index.architectures.get(only)?.variants ?? [];
}

function architecturesOf(
  { architectures }: FleetIndex,
  only: string | undefined,
): readonly (readonly [string, Candidates])[] {
  if (only === undefined) return [...architectures];
  const candidates = architectures.get(only);
  return candidates === undefined ? [] : [[only, candidates]];
}

function describeTask(index: FleetIndex, task: string): TaskDescription {
  const datasets = index.datasets.get(task) ?? [];
  const groups = datasets.map((dataset) => ({
    dataset,
    variants: index.useCases.get(`${task}/${dataset}`)?.variants ?? [],
  }));
  const signature = groups[0]?.variants[0]?.variant.signature ?? { inputs: {}, outputs: {} };
  const { inputs, outputs } = taskSignatureOf(signature);
  return {
    name: task,
    datasets: groups.map(({ dataset, variants }) => ({
      name: dataset,
      architectures: [...new Set(variants.map(({ variant }) => variant.architecture))],
      ...accuracyRange(variants),
    })),
    inputs: describeTensors(inputs),
    outputs: describeTensors(outputs),
  };
}

function describeArchitecture(
  name: string,
  variants: readonly IndexedVariant[],
): ArchitectureDescription {
  const first = variants[0]?.variant;
  const signature: Signature = first?.signature ?? { inputs: {}, outputs: {} };
  return {
    name,
    task: first?.task ?? '',
    dataset: first?.dataset ?? '',
    inputs: describeTensors(signature.inputs),
    outputs: describeTensors(signature.outputs),
    ...accuracyRange(variants),
    variants: variants.map(({ id }) => id),
  };
}

function accuracyRange(variants: readonly IndexedVariant[]): {
  readonly accuracyMin: number;
  readonly accuracyMax: number;
} {
  const accuracies = variants.map(({ accuracy }) => accuracy);
  return { accuracyMin: Math.min(...accuracies), accuracyMax: Math.max(...accuracies) };
}

function describeTensors(specs: Readonly<Record<string, TensorSpec>>): TensorDescription[] {
  return Object.entries(specs).map(([name, spec]) => ({
    name,
    datatype: spec.datatype,
    shape: spec.shape.map((size) => (typeof size === 'number' ? size : -1)),
    shared: spec.shared === true,
    ...(spec.state === undefined ? {} : { state: spec.state }),
  }));
}

function describeIndexed({ variant, instances }: IndexedVariant): VariantDescription {
  const loaded = instances.some(({ state }) => state !== 'loading');
  const idle = instances.length === 0 ? 'inactive' : 'loading';
  return describeVariant(variant, loaded ? 'loaded' : idle, instances.length);
}

function describeWorkers(index: FleetIndex): WorkerDescription[] {
  return index.workerList.map((worker) => ({
    name: worker.id,
    epoch: worker.ref.epoch,
    hardware: worker.report.hardware,
    utilisation: worker.utilisation,
    memoryUsedBytes: worker.report.memoryUsedBytes,
    instances: worker.instances.size,
  }));
}

function describeInstances(index: FleetIndex): InstanceDescription[] {
  return index.workerList.flatMap((worker) =>
    [...worker.instances.values()].map(({ report, state }) => ({
      name: report.id,
      variant: report.variantId,
      worker: worker.id,
      state,
      rateQps: report.rateQps,
      queued: report.queued,
      backlogMs: report.backlogMs,
      slowdown: report.slowdown,
      served: report.served,
    })),
  );
}
