/** Runs a scenario: the actors of production over a direct link, fed by its streams of queries. */

import { fleetBy, scalingBy } from '../cluster/scaling.ts';
import { defaultStateRules } from '../../actors/domain/instance.ts';
import type { QueryRequest } from '../../actors/domain/query.ts';
import { reloadPolicy } from '../../actors/worker/behaviour.ts';
import { splitRandom } from '../../runtime/random.ts';
import { type NamedTensors, tensorOf } from '../../runtime/wire/tensors.ts';
import { Cluster, type ClusterConfig, type SimGateway } from '../cluster/cluster.ts';
import type { NetworkOptions } from '../cluster/network.ts';
import { arrivalTimes } from '../workloads/arrivals.ts';
import { rateOf } from '../workloads/shape.ts';
import { createZipf } from '../workloads/zipf.ts';
import { limitsOf, Machines, newWorkersOf } from './machines.ts';
import { Measures } from './measures.ts';
import { OfflineWork } from './offline-work.ts';
import { asOwned } from './tuned.ts';
import type { ScenarioReport } from './report.ts';
import type { Scenario, Stream } from './scenario.ts';

const beatMs = 250;
const missedMax = 3;
const silentMs = missedMax * beatMs;
const secondMs = 1_000;
/** How the ids of queries begin that do not count; the others' with their stream's number. */
const ofWarmUp = 'w';
/** And those of a recording, with their number in it. */
const ofRecording = 'r';

/** @param look At the running system, once a simulated second. */
export function runScenario(
  given: Scenario,
  look: (cluster: Cluster) => void = () => undefined,
): ScenarioReport {
  // What was recorded stands as it was set up.
  const scenario = given.recorded === undefined ? asOwned(given) : given;
  const { durationS, warmUpS } = scenario;
  const measures = new Measures(durationS);
  const cluster = new Cluster({
    seed: scenario.seed,
    simulation: { interleaving: 'fifo' },
    network: networkOf(scenario),
    config: configOf(scenario),
    variants: scenario.variants,
    fleet: {
      config: fleetBy(
        scenario.fleetPolicy,
        limitsOf(scenario.fleet),
        newWorkersOf(scenario.fleet),
        secondMs * Math.max(...scenario.fleet.map(({ startUpS }) => startUpS)),
      ),
      provision: (command) => {
        machines.provision(command);
      },
    },
    onAnswer: (queryId, answer, expected) => {
      if (!expected || queryId.startsWith(ofWarmUp)) return;
      const tenant = tenantOf(scenario, queryId);
      if (tenant === undefined) return;
      measures.answered(cluster.nowMs() - warmUpS * secondMs, tenant, answer);
    },
  });
  const machines = new Machines(cluster, scenario);
  cluster.startController();
  for (let at = 1; at <= scenario.gateways; at += 1) cluster.startGateway(`gateway-${String(at)}`);
  machines.begin();
  const startMs = warmUpS * secondMs;
  const untilMs = startMs + durationS * secondMs;
  scenario.load.forEach((stream, index) => {
    feed(cluster, scenario, stream, index, measures);
  });
  feedRecorded(cluster, scenario, measures);
  sampleFleet(cluster, measures, startMs, untilMs, look);
  const offline = offlineWork(cluster, scenario);
  let offlineBefore = 0;
  cluster.simulation.clock.schedule(startMs, () => {
    offlineBefore = offline?.written ?? 0;
  });
  let events = cluster.simulation.run(untilMs);
  const offlineItems = (offline?.written ?? 0) - offlineBefore;
  const machineUsd = machines.ledger.usdBetween(startMs, untilMs);
  const timeoutMaxMs = timeoutMaxOf(scenario);
  // What came just before the end still gets its answer.
  events += cluster.simulation.run(untilMs + timeoutMaxMs + 1);
  return measures.report(scenario, machineUsd, offlineItems, events);
}

function offlineWork(cluster: Cluster, { offline }: Scenario): OfflineWork | undefined {
  const [gateway] = cluster.gateways.values();
  if (offline === undefined || gateway === undefined) return undefined;
  return new OfflineWork(gateway, offline, simulatedInputs);
}

/** Queries of one stream, each scheduling the next; its warm-up has the rate it begins with. */
function feed(
  cluster: Cluster,
  scenario: Scenario,
  stream: Stream,
  index: number,
  measures: Measures,
): void {
  const { seed, durationS, warmUpS } = scenario;
  const { clock } = cluster.simulation;
  const warmUpMs = warmUpS * secondMs;
  const rate = rateOf(stream.shape, durationS * secondMs, seed + index);
  const times = arrivalTimes(
    (timeMs) => scenario.loadFactor * rate(Math.max(0, timeMs - warmUpMs)),
    stream.arrivals,
    warmUpMs + durationS * secondMs,
    splitRandom(seed, `arrivals ${String(index)}`),
  );
  const requests = requestsOf(stream, splitRandom(seed, `queries ${String(index)}`));
  const gateways = [...cluster.gateways.values()];
  const tenant = { name: stream.tenant, tenant: stream.tenant };
  let count = 0;
  // One event for all arrivals, each pushing it for the next.
  const arrival = {
    fire(): void {
      const timeMs = clock.nowMs() - warmUpMs;
      if (timeMs >= 0) measures.asked(timeMs, stream.tenant);
      const { desk } = gateways[count % gateways.length] as SimGateway;
      count += 1;
      const id = `${String(index)}-${String(count)}`;
      desk.submit(timeMs < 0 ? ofWarmUp + id : id, requests(), tenant);
      next();
    },
  };
  const next = (): void => {
    const { value: atMs, done } = times.next();
    if (done !== true) clock.push(Math.max(0, atMs - clock.nowMs()), arrival);
  };
  next();
}

/** Whose query it was, by its id; undefined: it does not count. */
function tenantOf({ load, recorded = [] }: Scenario, queryId: string): string | undefined {
  if (!queryId.startsWith(ofRecording)) return load[parseInt(queryId, 10)]?.tenant;
  return recorded[Number(queryId.slice(ofRecording.length))]?.tenant;
}

function timeoutMaxOf({ load, recorded = [] }: Scenario): number {
  let most = 0;
  for (const { timeoutMs } of load) most = Math.max(most, timeoutMs);
  for (const { request } of recorded) most = Math.max(most, request.timeoutMs);
  return most;
}

/** Each query of a recording at its moment, each scheduling the next. */
function feedRecorded(
  cluster: Cluster,
  { recorded = [], warmUpS }: Scenario,
  measures: Measures,
): void {
  const { clock } = cluster.simulation;
  const gateways = [...cluster.gateways.values()];
  const inputs = new Map<number, NamedTensors>();
  let at = 0;
  const arrival = {
    fire(): void {
      const query = recorded[at];
      if (query === undefined) return;
      measures.asked(query.atS * secondMs, query.tenant);
      const { desk } = gateways[at % gateways.length] as SimGateway;
      const known = inputs.get(query.batch) ?? inputsOf(query.batch);
      inputs.set(query.batch, known);
      const request = { ...query.request, inputs: known, outputs: undefined };
      desk.submit(`${ofRecording}${String(at)}`, request, {
        ...{ name: query.tenant, tenant: query.tenant },
      });
      at += 1;
      next();
    },
  };
  const next = (): void => {
    const query = recorded[at];
    if (query === undefined) return;
    clock.push(Math.max(0, (warmUpS + query.atS) * secondMs - clock.nowMs()), arrival);
  };
  next();
}

/** A request is the same object whenever the same is asked: nobody writes to it. */
function requestsOf(stream: Stream, random: () => number): () => QueryRequest {
  const of = (selector: QueryRequest['selector']): QueryRequest => ({
    id: '',
    selector,
    slo: { latencyMs: stream.latencyMs, accuracyMin: stream.accuracyMin },
    onMiss: stream.onMiss,
    timeoutMs: stream.timeoutMs,
    priority: 0,
    inputs: simulatedInputs,
    outputs: undefined,
  });
  if (stream.task !== undefined) {
    const only = of({ by: 'task', task: stream.task, dataset: undefined });
    return () => only;
  }
  const requests = stream.architectures.map((architecture) =>
    of({ by: 'architecture', architecture }),
  );
  const draw = createZipf(requests.length, stream.zipf, random);
  return () => requests[draw()] as QueryRequest;
}

/** What every simulated variant takes; see `simulatedSignature`. */
function inputsOf(batch: number): NamedTensors {
  return { x: tensorOf('FP32', [batch, 1], new Float32Array(batch)) };
}

const simulatedInputs = inputsOf(1);

function sampleFleet(
  cluster: Cluster,
  measures: Measures,
  fromMs: number,
  untilMs: number,
  look: (cluster: Cluster) => void,
): void {
  const { clock } = cluster.simulation;
  clock.schedule(fromMs, () => {
    for (const { engine } of cluster.workers.values()) engine.takeBusyMs();
  });
  for (let atMs = fromMs; atMs < untilMs; atMs += secondMs) {
    clock.schedule(atMs + secondMs - 0.001, () => {
      let busyMs = 0;
      let units = 0;
      let instances = 0;
      for (const { engine, settings } of cluster.workers.values()) {
        busyMs += engine.takeBusyMs();
        units += settings.hardware.reduce((sum, hardware) => sum + hardware.units, 0);
        instances += engine.loaded.length;
      }
      const utilisation = units === 0 ? 0 : busyMs / (units * secondMs);
      measures.sampled(atMs - fromMs, { utilisation, instances, workers: cluster.workers.size });
      look(cluster);
    });
  }
}

function networkOf({ network, hopMs }: Scenario): NetworkOptions {
  if (network === 'direct') return { kind: 'direct', delayMs: hopMs, silentMs };
  return {
    ...{ kind: 'bus', latencyMs: hopMs, jitterMs: hopMs / 2, beatMs, missedMax },
    // What comes is what these very actors sent.
    decoders: { decode: (_, body) => body },
  };
}

/** The limits of production (`nodes/config.ts`), wide enough for the largest scenario. */
function configOf(scenario: Scenario): ClusterConfig {
  return {
    controller: { mailboxMax: 10_000, nodesMax: 10_000 },
    dispatcher: {
      ...{ mailboxMax: 20_000, inFlightMax: 10_000, inFlightPerTenantMax: 10_000 },
      ...{
        batchMax: 1_024,
        attemptsMax: 2,
        lossesMax: 8,
        hopMs: 2 * scenario.hopMs,
        explainedMax: 0,
      },
      selection: scenario.selection,
    },
    worker: {
      ...{ mailboxMax: 20_000, instancesMax: 256, baseMemoryBytes: 200 * 1024 * 1024 },
      preload: scenario.preload,
      reload: reloadPolicy,
      ...{ evictAfterMs: 10_000, heldMax: 1_000 },
      scaling: scalingBy(scenario.scaling),
      instance: {
        ...{ queueMax: 2_000, mailboxMax: 4_000, hangMs: 10_000, hangFactor: 50 },
        batching: scenario.batching,
      },
      monitor: { windowMs: 1_000, reportMs: 250, rules: defaultStateRules, mailboxMax: 10_000 },
    },
  };
}
