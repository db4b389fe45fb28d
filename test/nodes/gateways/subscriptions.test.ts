/** Subscriptions: who is told what, and what a slow listener loses without slowing another. */

import { expect } from 'chai';

import type { DispatcherMessage, GatewayMessage } from '../../../actors/dispatcher/protocol.ts';
import type { FleetEvent } from '../../../actors/domain/fleet-event.ts';
import { localPrincipal } from '../../../actors/domain/principal.ts';
import type { RecordsMessage } from '../../../actors/records/protocol.ts';
import { createSystemClock } from '../../../nodes/adapters/system-clock.ts';
import { gatewayConfigSchema } from '../../../nodes/gateways/config.ts';
import {
  parseSubscription,
  sendInParts,
  type SendNews,
  type SubscriptionNews,
  Subscriptions,
} from '../../../nodes/gateways/subscriptions.ts';
import type { ActorHost, Ref } from '../../../runtime/actor.ts';
import { refOf } from '../../../runtime/actor.ts';
import { silentLogger } from '../../../runtime/log.ts';
import { silentMetrics } from '../../../runtime/metrics.ts';
import { createNactHost } from '../../../runtime/nact-host.ts';
import { until } from './until.ts';

describe('the subscriptions of a gateway', () => {
  let host: ActorHost;
  let wants: string[];
  let listener: Ref<GatewayMessage> | undefined;
  let subscriptions: Subscriptions;
  let seq: number;

  beforeEach(() => {
    const clock = createSystemClock();
    const silent = { log: silentLogger, metrics: silentMetrics };
    host = createNactHost({ node: 'gateway', clock, seed: 1, ...silent });
    [wants, listener, seq] = [[], undefined, 0];
    const records = host.port<RecordsMessage>('records', (message) => {
      if (message.type !== 'records.listen') return;
      listener = message.listener;
      wants.push(message.wants);
    });
    subscriptions = new Subscriptions('websocket', {
      ...{ host, clock, ...silent, records, desks: new Set(), newQueryId: () => 'q' },
      dispatcher: refOf<DispatcherMessage>('gateway', 0, '/dispatcher'),
      config: gatewayConfigSchema.parse({ subscriptionEventsMax: 10, subscriptionsMax: 2 }),
    });
  });

  afterEach(async () => {
    subscriptions.close();
    await host.shutdown();
  });

  function subscribe(asked: object, send: SendNews, tenant = 'default'): () => void {
    const parsed = parseSubscription(asked as Record<string, unknown>);
    if (!parsed.ok) throw new Error(parsed.error.message);
    return subscriptions.add(parsed.filter, { ...localPrincipal, tenant }, send);
  }

  /** A reader that takes everything. */
  function reader(): { readonly news: SubscriptionNews[]; readonly send: SendNews } {
    const news: SubscriptionNews[] = [];
    return { news, send: (each) => news.push(each) > 0 };
  }

  const eventsOf = (news: readonly SubscriptionNews[]) => news.flatMap(({ events }) => events);
  const lostOf = (news: readonly SubscriptionNews[]) =>
    news.reduce((sum, { lost }) => sum + lost, 0);

  async function happen(...events: readonly FleetEvent[]): Promise<void> {
    await until(() => listener !== undefined);
    for (const event of events) {
      seq += 1;
      if (listener === undefined) return;
      host.tell(listener, { type: 'gateway.event-recorded', recorded: { seq, atMs: 1, event } });
    }
  }

  function joins(count: number): FleetEvent[] {
    return Array.from({ length: count }, (_, at) => {
      return { kind: 'worker', worker: `w${String(at)}`, change: 'joined' };
    });
  }

  it('lose what a slow listener does not take, with a count, and cost no other any', async () => {
    const fast = reader();
    const slow = reader();
    let isSlow = true;
    subscribe({}, fast.send);
    subscribe({}, (news) => !isSlow && slow.send(news));
    await happen(...joins(8));
    await until(() => eventsOf(fast.news).length === 8);
    await happen(...joins(8));
    await until(() => eventsOf(fast.news).length === 16);
    isSlow = false;
    await until(() => lostOf(slow.news) > 0);
    expect(lostOf(fast.news)).to.equal(0);
    expect(eventsOf(slow.news)).to.have.length(10);
    expect(lostOf(slow.news)).to.equal(6);
  });

  it('say again what they want, for records that were started anew', async () => {
    subscribe({}, reader().send);
    await until(() => wants.length >= 2);
    expect(wants.slice(0, 2)).to.deep.equal(['fleet', 'fleet']);
  });

  it('go in parts where they are too many for a message, and lose what is too large', () => {
    const events = ['a', 'large', 'b', 'c', 'd'].map((worker, at) => {
      const event = { kind: 'worker', worker, change: 'joined' } as const;
      return { seq: at, at: '', atMs: 0, event };
    });
    const { news, send } = reader();
    sendInParts({ events, lost: 3 }, (part) => {
      const isLarge = part.events.some(({ seq }) => seq === 1);
      return part.events.length <= 2 && !isLarge && send(part);
    });
    expect(eventsOf(news).map(({ seq }) => seq)).to.deep.equal([0, 2, 3, 4]);
    expect(lostOf(news)).to.equal(4);
  });

  it('tell what was asked for: by kind, by worker, selections of the tenant alone', async () => {
    const all = reader();
    const selection = { kind: 'selection', queryId: 'q', reason: '' } as const;
    subscribe({ kinds: ['worker', 'selection'], worker: 'w1' }, all.send);
    await happen(
      ...joins(3),
      { kind: 'instance', instance: 'w1/v-1', variant: 'v', worker: 'w1', to: 'active' },
      { ...selection, tenant: 'other', worker: 'w1' },
      { ...selection, tenant: 'default', worker: 'w1' },
    );
    await until(() => eventsOf(all.news).length > 1);
    const told = eventsOf(all.news).map(({ event }) => event.kind);
    expect(told).to.deep.equal(['worker', 'selection']);
  });

  it('ask the records for what is wanted together, and for nothing at the end', async () => {
    const endFirst = subscribe({}, reader().send);
    const endSecond = subscribe({ kinds: ['selection'] }, reader().send);
    expect(subscriptions.refusal()).to.include({ code: 'overloaded' });
    endSecond();
    endFirst();
    await until(() => wants.length === 4);
    expect(wants).to.deep.equal(['fleet', 'fleet-and-selections', 'fleet', 'nothing']);
  });

  it('refuse what nobody understands', () => {
    for (const asked of [{ kinds: [] }, { kinds: ['weather'] }, { worker: 1 }, { what: 'else' }]) {
      expect(parseSubscription(asked)).to.have.nested.property('error.code', 'bad_input');
    }
  });
});
