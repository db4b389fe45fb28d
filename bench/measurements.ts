/** Every figure we promise, how it is measured and what it is to reach. */

import { compareChain, compareWide } from './actor-ratios.ts';
import { measureAdmission, measurePredictions } from './profile-prediction.ts';
import { measureJointPlan, measureScalingPass, scalingFleets } from './plans.ts';
import { measureRecords } from './records.ts';
import { measureRegistry } from './registry.ts';
import { largeFleet, measureSelection, paperFleet } from './selection.ts';
import {
  cnnModel,
  measureAddedLatency,
  measureAgainstMoleculer,
  measureMemory,
  measureOverNats,
  measurePings,
  measureThroughput,
  mediumModel,
} from './serving.ts';
import {
  measureAtLength,
  measureScenario,
  measureSimHost,
  type SimulatedLoad,
} from './simulation.ts';

export interface Figure {
  readonly name: string;
  readonly value: string;
  readonly target: string;
  readonly met: boolean;
  readonly detail: Readonly<Record<string, number>>;
}

export interface Measurement {
  readonly name: string;
  readonly run: (rounds: number) => Promise<Figure[]> | Figure[];
}

const ratio = (value: number): string => `${value.toFixed(2)}×`;
const thousands = (count: number): string => count.toLocaleString('en');
const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`;

/** One instance of each architecture of the zoo. */
const oneOfEach = [
  'linear-fp32',
  'mlp-fp32',
  'cnn-small-fp32',
  'cnn-large-fp32',
  'resnet-tta-fp32',
  'silero-v4-fp32',
  'silero-v5-half',
  'silero-v6-fp32',
];

export const measurements: readonly Measurement[] = [
  {
    name: 'actors: chain of 4',
    run: async (rounds) => {
      const many = await compareChain(64, rounds);
      const one = await compareChain(1, rounds);
      return [
        figureOf(
          'chain of 4, 64 in flight, against nact',
          ratio(many.ratio),
          '>= 10×',
          many.ratio >= 10,
          many,
        ),
        figureOf(
          'chain of 4, 1 in flight, against nact',
          ratio(one.ratio),
          '>= 1×',
          one.ratio >= 1,
          one,
        ),
      ];
    },
  },
  {
    name: 'actors: 200 children',
    run: async (rounds) => {
      const wide = await compareWide(200, rounds);
      return [
        figureOf(
          'one-way to an actor with 200 children, against nact',
          ratio(wide.ratio),
          '>= 50×',
          wide.ratio >= 50,
          wide,
        ),
      ];
    },
  },
  {
    name: 'simulation',
    run: () => {
      const host = measureSimHost(2_000_000);
      // Long enough that compiling the code, half a second, is little of it.
      const small = { workers: 20, variants: 20, rateQps: 2_000, durationS: 200 };
      const load = measureScenario(small);
      return [
        figureOf(
          'simulated events on one core',
          `${(host.eventsPerS / 1e6).toFixed(2)} M/s`,
          '>= 2 M/s',
          host.eventsPerS >= 2e6,
          host,
        ),
        figureOf(
          'simulated queries on one core, 20 workers, 20 variants',
          `${(load.queriesPerS / 1e3).toFixed(1)} k/s`,
          '>= 100 k/s',
          load.queriesPerS >= 1e5,
          load,
        ),
        growthFigure(small, load),
      ];
    },
  },
  {
    name: 'simulation at length',
    run: () => {
      const length = measureAtLength();
      const { dayS, largeS, residentGb } = length;
      return [
        figureOf(
          'a simulated day at 60 q/s over 20 workers (from two hours)',
          seconds(1_000 * dayS),
          '< 60 s',
          dayS < 60,
          { dayS },
        ),
        figureOf(
          '1,000 workers, 10,000 variants, 10,000 q/s for 10 minutes (from 80 s)',
          `${seconds(1_000 * largeS)}, ${residentGb.toFixed(2)} GB`,
          '< 300 s, < 4 GB',
          largeS < 300 && residentGb < 4,
          { largeS, residentGb },
        ),
      ];
    },
  },
  {
    name: 'selection',
    run: () => {
      const paper = measureSelection(paperFleet);
      const large = measureSelection(largeFleet);
      return [
        figureOf(
          'selection, 175 variants on 50 workers, p50',
          `${paper.p50Us.toFixed(2)} µs (p99 ${paper.p99Us.toFixed(2)} µs)`,
          '<= 4 µs, p99 <= 10×',
          paper.p50Us <= 4 && paper.p99Us <= 10 * paper.p50Us,
          paper,
        ),
        figureOf(
          'selection, 10,000 variants on 1,000 workers, p50',
          `${large.p50Us.toFixed(2)} µs (p99 ${large.p99Us.toFixed(2)} µs)`,
          '<= 15 µs, p99 <= 10×',
          large.p50Us <= 15 && large.p99Us <= 10 * large.p50Us,
          large,
        ),
      ];
    },
  },
  {
    name: 'plan: model-autoscaler',
    run: () =>
      scalingFleets.map((shape) => {
        const { p50Ms, p99Ms } = measureScalingPass(shape);
        const { variants, instances } = shape;
        return figureOf(
          `an autoscaler pass, ${thousands(variants)} variants, ${String(instances)} instances`,
          `${p50Ms.toFixed(2)} ms (p99 ${p99Ms.toFixed(2)} ms)`,
          // At the paper's scale; of a registry of thousands it is shown.
          shape === scalingFleets[0] ? '<= 2 ms' : 'shown',
          shape !== scalingFleets[0] || p50Ms <= 2,
          { p50Ms, p99Ms },
        );
      }),
  },
  {
    name: 'plan: joint',
    run: async (rounds) => {
      const plan = await measureJointPlan(100, rounds);
      const exact = `${String(plan.exact)} of ${String(plan.plans)} exact`;
      return [
        figureOf(
          'a joint plan over 100 architectures, on the planner port',
          `${plan.p50Ms.toFixed(0)} ms, loop blocked ${plan.blockedMs.toFixed(0)} ms, ${exact}`,
          '<= 1 s, off the loop',
          plan.p50Ms <= 1_000 && plan.blockedMs <= 100,
          { ...plan },
        ),
      ];
    },
  },
  {
    name: 'latency: WebSocket, embedded',
    run: async (rounds) => {
      const added = await measureAddedLatency(rounds);
      const against = added.oursAddedMs / added.peerAddedMs;
      return [
        figureOf(
          'added by a WebSocket query over a bare run, against hand-written',
          `${(added.oursAddedMs * 1_000).toFixed(0)} µs, ${ratio(against)}`,
          '<= 2× or <= 500 µs',
          against <= 2 || added.oursAddedMs <= 0.5,
          { ...added },
        ),
      ];
    },
  },
  {
    name: 'latency: over NATS',
    run: async (rounds) => {
      const over = await measureOverNats(rounds);
      return [
        figureOf(
          'added over NATS with a separate worker, in bare round trips',
          over.roundTrips.toFixed(2),
          '<= 3',
          over.roundTrips <= 3,
          { ...over },
        ),
      ];
    },
  },
  {
    name: 'throughput: hand-written',
    run: async (rounds) => {
      const cnn = await measureThroughput(cnnModel, rounds);
      const medium = await measureThroughput(mediumModel, rounds);
      return [
        throughputOf("throughput at 64 in flight, zoo's small CNN, against hand-written", cnn, 1.2),
        throughputOf(
          'throughput at 64 in flight, large CNN (>= 80 µs), against hand-written',
          medium,
          1.5,
        ),
      ];
    },
  },
  {
    name: 'throughput: moleculer',
    run: async (rounds) => {
      const cnn = await measureAgainstMoleculer(cnnModel, rounds);
      return [throughputOf('throughput at 64 in flight over NATS, against moleculer', cnn, 1.3)];
    },
  },
  {
    name: 'records',
    run: async (rounds) => {
      const cost = await measureRecords(rounds);
      const kept = 1 - cost.recorded / cost.without;
      const streamed = 1 - cost.streamed / cost.without;
      const written = 1 - cost.written / cost.without;
      const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
      return [
        figureOf(
          'throughput that recording decisions takes',
          `${percent(kept)} kept, ${percent(streamed)} with a subscriber to every selection`,
          '<= 5 % kept',
          // A recording that gained throughput is a disturbed run.
          Math.abs(kept) <= 0.05,
          { ...cost },
        ),
        figureOf(
          'throughput that writing every turn to a file takes (--record)',
          percent(written),
          'shown',
          true,
          { without: cost.without, written: cost.written },
        ),
      ];
    },
  },
  {
    name: 'pings',
    run: async (rounds) => {
      const pings = await measurePings(Math.min(rounds, 3));
      const met = pings.oursMs <= 10 && pings.oursMs <= pings.peerMs / 2;
      return [
        figureOf(
          'p99 of pings while engines are saturated',
          `${pings.oursMs.toFixed(2)} ms (hand-written ${pings.peerMs.toFixed(1)} ms)`,
          '<= 10 ms and <= half',
          met,
          { ...pings },
        ),
      ];
    },
  },
  {
    name: 'profile: prediction',
    run: async () => {
      const { predictions, medianError, worstError } = await measurePredictions();
      for (const { variant, batch, predictedMs, measuredMs, error } of predictions) {
        const ms = `${predictedMs.toFixed(3)} ms, measured ${measuredMs.toFixed(3)}`;
        const off = `${(error * 100).toFixed(0)} %`;
        process.stderr.write(`  ${variant} at ${String(batch)}: ${ms}, off by ${off}\n`);
      }
      return [
        figureOf(
          'predicted latency at batches never measured, median error over the zoo',
          `${(medianError * 100).toFixed(1)} % (worst ${(worstError * 100).toFixed(0)} %)`,
          '<= 15 %',
          medianError <= 0.15,
          { medianError, worstError, predictions: predictions.length },
        ),
      ];
    },
  },
  {
    name: 'profile: admission',
    run: async () =>
      (await measureAdmission()).map(({ variant, checkMs, quickProfileMs, fullProfileMs }) => {
        const firstMs = checkMs + quickProfileMs;
        return figureOf(
          `check and quick profile of ${variant} (full profile)`,
          `${seconds(firstMs)} (${seconds(fullProfileMs)})`,
          '<= 8 s (<= 20 s)',
          firstMs <= 8_000 && fullProfileMs <= 20_000,
          { checkMs, quickProfileMs, fullProfileMs },
        );
      }),
  },
  {
    name: 'registry',
    run: async (rounds) => {
      const registry = await measureRegistry(10_000, rounds);
      const { startMs, startCpuMs, readMs, rssBytes, listP50Ms, listP99Ms } = registry;
      const mebibytes = rssBytes / 2 ** 20;
      return [
        figureOf(
          'controller start with 10,000 variants stored (processor time, reading)',
          `${seconds(startMs)} (${seconds(startCpuMs)}, ${readMs.toFixed(0)} ms)`,
          '<= 3 s',
          startMs <= 3_000,
          { startMs, startCpuMs, readMs },
        ),
        figureOf(
          'resident memory of that controller, everything listed',
          `${mebibytes.toFixed(0)} MB`,
          '< 400 MB',
          mebibytes < 400,
          { rssBytes },
        ),
        figureOf(
          'listing one of its architectures, p99 (p50)',
          `${listP99Ms.toFixed(1)} ms (${listP50Ms.toFixed(1)} ms)`,
          '<= 50 ms',
          listP99Ms <= 50,
          { listP50Ms, listP99Ms },
        ),
      ];
    },
  },
  {
    name: 'memory',
    run: async () => {
      const bytes = await measureMemory(oneOfEach);
      const mebibytes = bytes / 2 ** 20;
      return [
        figureOf(
          'PSS of the process tree, one instance of each architecture',
          `${mebibytes.toFixed(0)} MB`,
          '<= 300 MB',
          mebibytes <= 300,
          { bytes },
        ),
      ];
    },
  },
];

function figureOf(
  name: string,
  value: string,
  target: string,
  met: boolean,
  detail: Readonly<Record<string, number>>,
): Figure {
  return { name, value, target, met, detail };
}

/** What a simulated query costs when one of the three grows or shrinks tenfold. */
function growthFigure(base: SimulatedLoad, of: { readonly queriesPerS: number }): Figure {
  const { workers, variants, rateQps } = base;
  const costs = {
    workers: measureScenario({ ...base, workers: workers * 10, durationS: 20 }),
    variants: measureScenario({ ...base, variants: variants * 10, durationS: 20 }),
    slower: measureScenario({ ...base, rateQps: rateQps / 10 }),
    faster: measureScenario({ ...base, rateQps: rateQps * 10, durationS: 20 }),
  };
  const usOf = ({ queriesPerS }: { readonly queriesPerS: number }): number => 1e6 / queriesPerS;
  const shown = (measured: { readonly queriesPerS: number }): string => usOf(measured).toFixed(1);
  const value =
    `${shown(of)} µs; 10× the workers ${shown(costs.workers)}, the variants ` +
    `${shown(costs.variants)}, the rate ${shown(costs.faster)}; ` +
    `a tenth of it ${shown(costs.slower)}`;
  return figureOf(
    'cost of a simulated query, its share of all else included',
    value,
    'shown',
    true,
    {
      base: usOf(of),
      workers10: usOf(costs.workers),
      variants10: usOf(costs.variants),
      rate10: usOf(costs.faster),
      rateTenth: usOf(costs.slower),
    },
  );
}

function throughputOf(
  name: string,
  { ours, peer }: { readonly ours: number; readonly peer: number },
  least: number,
): Figure {
  const against = ours / peer;
  const value = `${ratio(against)} (${ours.toFixed(0)}/s against ${peer.toFixed(0)}/s)`;
  return figureOf(name, value, `>= ${String(least)}×`, against >= least, { ours, peer });
}
