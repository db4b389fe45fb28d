/**
 * Everything bad that clients can send gets a typed answer naming the culprit, over every gateway,
 * and the same connection serves a good query afterwards.
 */

import { expect } from 'chai';

import { startNatsServer, type NatsServer } from '../../../nodes/adapters/nats-server.ts';
import { silentLogger } from '../../../runtime/log.ts';
import { encode } from '../../../runtime/wire/codec.ts';
import { badCases, badInputConfig } from './bad-input-cases.ts';
import {
  type Caller,
  encodeAs,
  goodJsonQuery,
  goodQuery,
  httpCaller,
  natsCaller,
  webSocketCaller,
} from './callers.ts';
import { startGateways, type StartedGateways } from './start-gateways.ts';
import { startWholeSystem, type WholeSystem } from './whole-system.ts';

describe('bad input to a whole system', () => {
  let server: NatsServer;
  let gateways: StartedGateways;
  let system: WholeSystem;
  const callers = new Map<string, Caller>();

  before(async function () {
    this.timeout(30_000);
    server = await startNatsServer({ log: silentLogger });
    system = await startWholeSystem();
    const { host, dispatcher } = system;
    gateways = await startGateways({
      ...{ natsUrl: server.url, config: badInputConfig },
      backend: { host, dispatcher },
    });
    for (const caller of [
      await webSocketCaller(gateways),
      httpCaller(gateways),
      await natsCaller(server.url),
    ]) {
      callers.set(caller.gateway, caller);
    }
  });

  after(async () => {
    for (const caller of callers.values()) await caller.close();
    await gateways.close();
    await system.close();
    await server.stop();
  });

  it('has a table of at least 60 different cases', () => {
    expect(new Set(badCases.map(({ name }) => name)).size).to.equal(badCases.length);
    expect(badCases.length).to.be.at.least(60);
  });

  for (const gateway of ['websocket', 'http', 'nats'] as const) {
    describe(`over ${gateway}`, () => {
      for (const bad of badCases) {
        if (bad.over !== undefined && !bad.over.includes(gateway)) continue;
        it(`refuses ${bad.name}`, async () => {
          const caller = callers.get(gateway)!;
          const answer = await caller.send(bad.payload(), bad.encoding);
          expect(answer, JSON.stringify(answer)).to.include({ ok: false });
          expect(answer.error.code, answer.error.message).to.equal(bad.code);
          expect(answer.error.message).to.match(bad.says);
          expect(answer.error.message.length).to.be.below(1_000);
          await expectServes(caller);
        });
      }

      it('answers a refused query under its id', async () => {
        const caller = callers.get(gateway)!;
        const answer = await caller.send(encode({ ...goodQuery('mine'), priority: 99 }), 'msgpack');
        expect(answer).to.include({ id: 'mine', ok: false });
      });

      it('serves JSON too', async () => {
        const caller = callers.get(gateway)!;
        const answer = await caller.send(encodeAs('json', goodJsonQuery('text')), 'json');
        expect(answer).to.include({ id: 'text', ok: true });
        expect(answer.outputs['logits']?.data).to.have.length(10);
      });
    });
  }
});

async function expectServes(caller: Caller): Promise<void> {
  const answer = await caller.send(encode(goodQuery()), 'msgpack');
  expect(answer).to.include({ id: 'good', ok: true });
  expect((answer.outputs['logits']?.data as Uint8Array).byteLength).to.equal(40);
}
