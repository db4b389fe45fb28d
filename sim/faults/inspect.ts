/**
 * What must hold: bounds and epochs while it burns, answers, counters and agreement at the end.
 * Everything is read from outside; a finding is one line for people.
 */

import type { Dispatching } from '../../actors/dispatcher/dispatching.ts';
import type { Serving } from '../../actors/instance/serving.ts';
import type { SimGateway, SimWorker } from '../cluster/cluster.ts';
import { isInstancePath, type OnRecord, type Stage } from './stage.ts';
import { isAnswerTo } from './stock.ts';

/** The part of a worker's state that is looked at. */
interface Working {
  readonly instances: ReadonlyMap<string, { readonly ref: { readonly path: string } }>;
  readonly dispatchers: readonly { readonly node: string; readonly epoch: number }[];
}

/** After a turn of a gateway's dispatcher or of a worker's instance. */
export function boundExceeded(path: string, state: unknown, stage: Stage): string | undefined {
  const { limits } = stage.plan;
  if (path === '/dispatcher') {
    const { size } = (state as Dispatching).table;
    return size > limits.inFlightMax
      ? `${String(size)} queries in flight, the limit is ${String(limits.inFlightMax)}`
      : undefined;
  }
  if (!isInstancePath(path)) return undefined;
  const { length } = (state as Serving).queue;
  return length > limits.queueMax
    ? `${path} queues ${String(length)}, the limit is ${String(limits.queueMax)}`
    : undefined;
}

/** Looks now and then at what holds at any time; remembers epochs from look to look. */
export class Rounds {
  private readonly stage: Stage;
  private readonly seen = new Map<string, { readonly life: number; readonly epoch: number }>();

  constructor(stage: Stage) {
    this.stage = stage;
  }

  look(): void {
    const { cluster, plan, wrongs } = this.stage;
    for (const worker of cluster.workers.values()) {
      // Only what its worker knows: one that was started anew forgets what still unloads for it.
      const known = workingOf(this.stage, worker)?.instances.keys() ?? [];
      const bytes = worker.engine.memoryBytesOf(known);
      if (bytes <= plan.memoryBytes) continue;
      wrongs.push(`${worker.node.name} holds ${String(bytes)} bytes, more than it has`);
    }
    for (const { name, life, host } of cluster.nodes()) {
      const { epoch } = host;
      if (epoch === 0) continue;
      const before = this.seen.get(name);
      if (before !== undefined && life > before.life && epoch <= before.epoch) {
        wrongs.push(`${name} lives again under epoch ${String(epoch)}, which was taken`);
      }
      this.seen.set(name, { life, epoch });
    }
  }
}

/** When everything has healed and settled. */
export function inspectEnd(stage: Stage): void {
  for (const [queryId, record] of stage.records) inspectAnswers(stage, queryId, record);
  for (const gateway of stage.cluster.gateways.values()) {
    inspectCounters(stage, gateway);
    inspectView(stage, gateway);
  }
  for (const worker of stage.cluster.workers.values()) inspectWorker(stage, worker);
  inspectBus(stage);
}

function inspectAnswers(stage: Stage, queryId: string, record: OnRecord): void {
  const { answers, node, planned, number, submittedMs } = record;
  const wrong = (what: string): number => stage.wrongs.push(`${queryId}: ${what}`);
  if (answers.length === 0) {
    if (node.alive) wrong('no terminal answer');
    return;
  }
  if (answers.length > 1) wrong(`${String(answers.length)} terminal answers`);
  const first = answers[0];
  if (first === undefined) return;
  const { answer, atMs } = first;
  if (!stage.outOfTime.has(node) && atMs - submittedMs > planned.timeoutMs + graceMs) {
    wrong(`answered ${(atMs - submittedMs).toFixed(1)} ms after it came, beyond its time-out`);
  }
  if (!answer.ok) return;
  const { totalMs } = answer.timing;
  if (totalMs > planned.timeoutMs) wrong('served after its hard bound');
  const { latencyMs, accuracyMin, onMiss } = planned;
  if (latencyMs !== undefined && answer.slo.met && totalMs > latencyMs) {
    wrong(`counts as met after ${totalMs.toFixed(1)} of ${String(latencyMs)} ms`);
  }
  if (latencyMs !== undefined && onMiss === 'reject' && totalMs > latencyMs) {
    wrong('served late in spite of `onMiss: reject`');
  }
  if (answer.servedBy.accuracy < (accuracyMin ?? 0)) wrong('less accurate than it asked');
  if (!isAnswerTo(number, planned.batch, answer.outputs)) wrong("got another query's answer");
}

/** For what happens in the same instant. */
const graceMs = 0.001;

function inspectCounters(stage: Stage, { node, desk }: SimGateway): void {
  if (desk.pending.size > 0) {
    stage.wrongs.push(`${node.name} waits for ${String(desk.pending.size)} answers`);
  }
  // A dispatcher that was started anew does not know what it had counted before.
  if (desk.restarts > 0) return;
  const { metrics } = node;
  const asked = metrics.of('infaas_queries_total');
  const answered = metrics.of('infaas_answers_total') + metrics.of('infaas_refusals_total');
  if (asked !== answered) {
    const counts = `${String(asked)} queries and ${String(answered)} answers`;
    stage.wrongs.push(`${node.name} counted ${counts}`);
  }
}

/** What a gateway believes of the fleet is what the fleet is. */
function inspectView(stage: Stage, { node }: SimGateway): void {
  const { wrongs, cluster } = stage;
  const dispatching = stage.towerOf(node).states.get('/dispatcher') as Dispatching | undefined;
  if (dispatching === undefined) {
    wrongs.push(`${node.name} has no dispatcher`);
    return;
  }
  const { table, index } = dispatching;
  if (table.size > 0) wrongs.push(`${node.name} still has ${String(table.size)} in flight`);
  const known = [...index.workers.values()].map(({ ref }) => `${ref.node}#${String(ref.epoch)}`);
  const living = [...cluster.workers.values()].map(
    ({ node: worker }) => `${worker.name}#${String(worker.host.epoch)}`,
  );
  if (known.sort().join() !== living.sort().join()) {
    wrongs.push(`${node.name} knows [${known.join()}], there are [${living.join()}]`);
  }
  for (const { id, instances } of index.workers.values()) {
    const there = workingOf(stage, cluster.workers.get(id))?.instances.size ?? 0;
    if (instances.size !== there) {
      const counts = `${String(instances.size)} instances on ${id}, there are ${String(there)}`;
      wrongs.push(`${node.name} knows ${counts}`);
    }
    const held = table.onWorker(id).length;
    if (held > 0) wrongs.push(`${node.name} has ${String(held)} placed on ${id}`);
  }
}

function inspectWorker(stage: Stage, worker: SimWorker): void {
  const { wrongs, cluster } = stage;
  const { node, engine } = worker;
  const working = workingOf(stage, worker);
  if (working === undefined) {
    wrongs.push(`${node.name} has no worker actor`);
    return;
  }
  if (engine.loaded.length !== working.instances.size) {
    const loaded = `${String(engine.loaded.length)} variants loaded`;
    wrongs.push(`${node.name}: ${loaded} for ${String(working.instances.size)} instances`);
  }
  const told = working.dispatchers.map((ref) => `${ref.node}#${String(ref.epoch)}`).sort();
  const living = [...cluster.gateways.values()]
    .map(({ node: gateway }) => `${gateway.name}#${String(gateway.host.epoch)}`)
    .sort();
  if (told.join() !== living.join()) {
    wrongs.push(`${node.name} reports to [${told.join()}], there are [${living.join()}]`);
  }
  const { states } = stage.towerOf(node);
  for (const { ref } of working.instances.values()) {
    const serving = states.get(ref.path) as Serving | undefined;
    const owed = (serving?.queue.length ?? 0) + (serving?.suspects.length ?? 0);
    if (owed > 0) wrongs.push(`${ref.path} of ${node.name} still queues ${String(owed)}`);
  }
}

function inspectBus({ cluster, wrongs }: Stage): void {
  const { bus } = cluster.network;
  if (bus === undefined) return;
  const nodes = [...cluster.nodes()].length;
  const { connections, subscriptions } = bus.counts;
  if (connections !== nodes || subscriptions !== 2 * nodes) {
    const counts = `${String(connections)} connections, ${String(subscriptions)} subscriptions`;
    wrongs.push(`${counts} are open for ${String(nodes)} nodes`);
  }
}

function workingOf(stage: Stage, worker: SimWorker | undefined): Working | undefined {
  if (worker === undefined) return undefined;
  return stage.towerOf(worker.node).states.get('/worker') as Working | undefined;
}
