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

describe('bad input', () => {
  let server: NatsServer;
  let gateways: StartedGateways;
  const callers = new Map<string, Caller>();

  before(async () => {
    server = await startNatsServer({ log: silentLogger });
    gateways = await startGateways({ natsUrl: server.url, config: badInputConfig });
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
        expect(answer.outputs['logits']?.data).to.deep.equal([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
      });
    });
  }
});

async function expectServes(caller: Caller): Promise<void> {
  const answer = await caller.send(encode(goodQuery()), 'msgpack');
  expect(answer).to.include({ id: 'good', ok: true });
  expect((answer.outputs['logits']?.data as Uint8Array).byteLength).to.equal(40);
}
