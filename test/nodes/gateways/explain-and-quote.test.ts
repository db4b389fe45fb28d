/** `explain` and `quote` of a whole system, by the client library and over each gateway. */

import { expect } from 'chai';

import { connect, type InfaasClient } from '../../../client/index.ts';
import { silentLogger } from '../../../runtime/log.ts';
import { startNatsServer, type NatsServer } from '../../../nodes/adapters/nats-server.ts';
import type { FleetEvent } from '../../../actors/domain/fleet-event.ts';
import { until } from './until.ts';
import { goodImage } from './callers.ts';
import { type StartedGateways, startGateways } from './start-gateways.ts';
import { startWholeSystem, type WholeSystem } from './whole-system.ts';

const image = { image: goodImage() as never };
const digits = { task: 'digit-classification', dataset: 'mnist' };

describe('explain and quote', () => {
  let system: WholeSystem;
  let gateways: StartedGateways;
  let server: NatsServer;

  before(async () => {
    [system, server] = await Promise.all([
      startWholeSystem(),
      startNatsServer({ log: silentLogger }),
    ]);
    gateways = await startGateways({ backend: system, natsUrl: server.url });
  });

  after(async () => {
    await gateways.close();
    await system.close();
    await server.stop();
  });

  const urls = { websocket: () => gateways.wsUrl, nats: () => server.url };

  for (const [gateway, url] of Object.entries(urls)) {
    describe(`over ${gateway}`, () => {
      let client: InfaasClient;

      before(async () => {
        client = await connect(url());
      });

      after(() => client.close());

      it('explains a query that was answered', async () => {
        const answer = await client.query({ ...digits, inputs: image });
        if (!answer.ok) throw new Error(answer.error.message);
        const explanation = await client.explain(answer.queryId);
        expect(explanation.outcome).to.deep.include({
          ...{ state: 'served', batchSize: 1 },
          batchReason: 'no other was expected soon enough to be worth the wait',
        });
        const [attempt] = explanation.attempts;
        expect(attempt?.chosen?.variant).to.equal(answer.servedBy.variant);
        expect(attempt?.considered.length).to.be.above(1);
        expect(explanation.asked).to.deep.include({ slo: {}, batch: 1 });
        expect(attempt).not.to.have.property('ended');
      });

      it('tells what happens, and why an instance is there', async () => {
        const ending = new AbortController();
        const told: FleetEvent[] = [];
        const variant = gateway === 'nats' ? 'mlp-fp32' : 'cnn-small-fp32';
        const ended = client.subscribe(
          { kinds: ['decision', 'instance', 'selection'] },
          ({ events }) => told.push(...events.map(({ event }) => event)),
          ending.signal,
        );
        const answer = await client.query({ variant, inputs: image });
        if (!answer.ok) throw new Error(answer.error.message);
        const { instance } = answer.servedBy;
        await until(() => told.some((event) => event.kind === 'instance' && event.to === 'active'));
        ending.abort();
        await ended;
        const selection = told.find((event) => event.kind === 'selection');
        expect(selection).to.include({ queryId: answer.queryId, variant });
        const { events } = await client.explainSubject({ kind: 'instance', name: instance });
        const [why] = events.flatMap(({ event }) =>
          event.kind === 'decision' ? [event.decision] : [],
        );
        expect(why).to.include({ kind: 'placement', subject: instance });
        expect(why?.why).to.contain(answer.queryId);
        const worker = await client.explainSubject({ kind: 'worker', name: 'local' });
        expect(worker.events.length).to.be.at.least(events.length);
      });

      it('quotes what answers then, and refuses what would be refused', async () => {
        const slo = { costUsdMax: 2.5e-10 };
        const quote = await client.quote({ ...digits, slo, batch: 1 });
        expect(quote).to.include({ policy: 'ours', variant: 'linear-fp32' });
        const tooMuch = client.quote({ ...digits, slo: { accuracyMin: 100 } });
        expect(await codeOf(tooMuch)).to.equal('slo_infeasible');
        expect(await codeOf(client.quote({ task: 'telepathy' }))).to.equal('unknown_task');
        expect(await codeOf(client.explain('nonsense'))).to.equal('bad_input');
      });
    });
  }

  it('are spoken over HTTP', async () => {
    const post = (body: object): Promise<Response> =>
      fetch(`${gateways.httpUrl}/v1/quote`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify(body),
      });
    const quoted = await post(digits);
    expect(quoted.status).to.equal(200);
    expect(await quoted.json()).to.have.nested.property('quote.variant', 'linear-fp32');
    const wrong = await post({ ...digits, slo: { latency: 3 } });
    expect(wrong.status).to.equal(400);
    expect(await wrong.json())
      .to.have.nested.property('error.message')
      .match(/latencyMs/);
    const explained = await fetch(`${gateways.httpUrl}/v1/explain?queryId=nonsense`);
    expect(explained.status).to.equal(400);
    const nothing = await fetch(`${gateways.httpUrl}/v1/explain`);
    expect(await nothing.json())
      .to.have.nested.property('error.message')
      .match(/queryId/);
  });
});

async function codeOf(asked: Promise<unknown>): Promise<string> {
  try {
    await asked;
    return 'none';
  } catch (error) {
    return (error as { readonly code: string }).code;
  }
}
