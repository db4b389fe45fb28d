/**
 * The records of a gateway node: decisions about the fleet and what became of them, the newest so
 * many, told to gateways as they happen, and read back by instance or worker. Workers tell every
 * gateway node themselves, as they do with their reports; what is decided beside the controller is
 * relayed by the records there. What is unknown here is what happened while this node was away.
 */

import type { ActorContext, ActorSpec, Ref } from '../../runtime/actor.ts';
import { formatAddress } from '../../runtime/actor.ts';
import { assertNever } from '../../runtime/assert.ts';
import { restartPolicy } from '../../runtime/supervision.ts';
import type { DispatcherMessage, GatewayMessage } from '../dispatcher/protocol.ts';
import type { Decision } from '../domain/decision.ts';
import { concerns, type FleetEvent, type RecordedEvent } from '../domain/fleet-event.ts';
import type { InstanceId } from '../domain/instance.ts';
import type { InstanceReport, WorkerId, WorkerReport } from '../domain/worker.ts';
import type { RecordsMessage } from './protocol.ts';

export interface RecordsConfig {
  readonly mailboxMax: number;
  /** Events that are kept, some 500 bytes each. */
  readonly eventsMax: number;
  /** Nodes that fleet decisions are relayed to. */
  readonly peersMax: number;
}

export interface RecordsOptions {
  /** In the same process: it tells of selections only while somebody listens. */
  readonly dispatcher: Ref<DispatcherMessage>;
  readonly config: RecordsConfig;
}

interface Keeping {
  readonly options: RecordsOptions;
  /** A ring; `seq` of the oldest is `nextSeq` less its length. */
  readonly events: RecordedEvent[];
  nextSeq: number;
  readonly workers: Map<WorkerId, Map<InstanceId, InstanceReport>>;
  peers: readonly Ref<RecordsMessage>[];
  readonly listeners: Map<
    string,
    { readonly ref: Ref<GatewayMessage>; readonly selections: boolean }
  >;
}

type Context = ActorContext<RecordsMessage>;

export function recordsSpec(options: RecordsOptions): ActorSpec<Keeping, RecordsMessage> {
  return {
    start: () => ({
      ...{ options, events: [], nextSeq: 1, peers: [] },
      workers: new Map(),
      listeners: new Map(),
    }),
    behaviour: recordsBehaviour,
    supervision: restartPolicy,
    mailboxMax: options.config.mailboxMax,
    remoteTypes: ['decisions.decision-made', 'records.decision-relayed', 'records.attach-peer'],
  };
}

function recordsBehaviour(keeping: Keeping, message: RecordsMessage, ctx: Context): Keeping {
  switch (message.type) {
    case 'decisions.decision-made':
      record(keeping, { kind: 'decision', decision: message.decision }, ctx);
      if (message.decision.kind === 'fleet') relay(keeping, message.decision, ctx);
      return keeping;
    case 'records.decision-relayed':
      record(keeping, { kind: 'decision', decision: message.decision }, ctx);
      return keeping;
    case 'records.attach-peer':
      attach(keeping, message.peer, ctx);
      return keeping;
    case 'records.peer-terminated': {
      const gone = formatAddress(message.terminated.address);
      keeping.peers = keeping.peers.filter((peer) => formatAddress(peer) !== gone);
      return keeping;
    }
    case 'records.worker-seen':
      takeReport(keeping, message.report, ctx);
      return keeping;
    case 'records.worker-gone': {
      const { workerId: worker, why, inOrder } = message;
      if (!keeping.workers.delete(worker)) return keeping;
      record(keeping, { kind: 'worker', worker, change: inOrder ? 'left' : 'lost', why }, ctx);
      return keeping;
    }
    case 'records.selection-made':
      // One a query, while somebody listens.
      tellOf(stamped(message.selection, keeping, ctx), keeping, ctx);
      return keeping;
    case 'records.listen':
      listen(keeping, message, ctx);
      return keeping;
    case 'records.explain-subject': {
      const { requestId, subject, replyTo } = message;
      const events = keeping.events.filter(({ event }) => concerns(event, subject));
      const explanation = { subject, events };
      ctx.tell(replyTo, { type: 'gateway.subject-explained', requestId, explanation });
      return keeping;
    }
    default:
      return assertNever(message);
  }
}

/** Numbers follow one another over all that is told, kept or not. */
function stamped(event: FleetEvent, keeping: Keeping, { nowMs }: Context): RecordedEvent {
  keeping.nextSeq += 1;
  return { seq: keeping.nextSeq - 1, atMs: nowMs, event };
}

function record(keeping: Keeping, event: FleetEvent, ctx: Context): void {
  const recorded = stamped(event, keeping, ctx);
  keeping.events.push(recorded);
  if (keeping.events.length > keeping.options.config.eventsMax) keeping.events.shift();
  tellOf(recorded, keeping, ctx);
}

function tellOf(recorded: RecordedEvent, { listeners }: Keeping, ctx: Context): void {
  const isSelection = recorded.event.kind === 'selection';
  for (const { ref, selections } of listeners.values()) {
    if (isSelection && !selections) continue;
    ctx.tell(ref, { type: 'gateway.event-recorded', recorded });
  }
}

function relay({ peers }: Keeping, decision: Decision, ctx: Context): void {
  for (const peer of peers) ctx.tell(peer, { type: 'records.decision-relayed', decision });
}

/** One of a node that came back replaces the one before. */
function attach(keeping: Keeping, peer: Ref<RecordsMessage>, ctx: Context): void {
  if (peer.node === ctx.self.node) return;
  const others = keeping.peers.filter(({ node }) => node !== peer.node);
  if (others.length >= keeping.options.config.peersMax) {
    ctx.log.warn('decisions are relayed to no more nodes', { node: peer.node });
    return;
  }
  keeping.peers = [...others, peer];
  ctx.watch(peer, (terminated) => ({ type: 'records.peer-terminated', terminated }));
}

/** Reports come all the time; what is new in one is recorded. */
function takeReport(keeping: Keeping, { workerId: worker, instances }: WorkerReport, ctx: Context) {
  const before = keeping.workers.get(worker);
  if (before === undefined) record(keeping, { kind: 'worker', worker, change: 'joined' }, ctx);
  const now = new Map(instances.map((seen) => [seen.id, seen]));
  for (const seen of instances) {
    const from = before?.get(seen.id)?.state;
    if (from === seen.state) continue;
    const about = { instance: seen.id, variant: seen.variantId, worker };
    record(keeping, { kind: 'instance', ...about, from, to: seen.state }, ctx);
  }
  for (const gone of before?.values() ?? []) {
    if (now.has(gone.id)) continue;
    const about = { instance: gone.id, variant: gone.variantId, worker, from: gone.state };
    record(keeping, { kind: 'instance', ...about, to: 'gone' }, ctx);
  }
  keeping.workers.set(worker, now);
}

function listen(
  { listeners, options }: Keeping,
  { listener, wants }: Extract<RecordsMessage, { type: 'records.listen' }>,
  ctx: Context,
): void {
  const wantedSelections = (): boolean =>
    [...listeners.values()].some(({ selections }) => selections);
  const selections = wants === 'fleet-and-selections';
  if (wants === 'nothing') listeners.delete(listener.path);
  else listeners.set(listener.path, { ref: listener, selections });
  const wanted = wantedSelections();
  // Said again each time: either may have been started anew, and have forgotten it.
  ctx.tell(options.dispatcher, {
    type: 'dispatcher.tell-selections',
    to: wanted ? ctx.self : undefined,
  });
}
