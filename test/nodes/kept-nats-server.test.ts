/** The nats-server of `infaas up`: back on its port when it ends by itself, gone when stopped. */

import { expect } from 'chai';

import { keepNatsServer } from '../../nodes/adapters/kept-nats-server.ts';
import type { NatsServer } from '../../nodes/adapters/nats-server.ts';
import { type NatsBus, connectNatsBus } from '../../nodes/adapters/nats-bus.ts';
import { createSystemClock } from '../../nodes/adapters/system-clock.ts';
import { silentLogger } from '../../runtime/log.ts';
import type { SupervisionPolicy } from '../../runtime/supervision.ts';
import { eventually } from '../conformance/bus-harness.ts';

const log = silentLogger;
const patienceMs = 15_000;
const policy: SupervisionPolicy = {
  ...{ onFailure: 'restart', restartsMax: 1, withinMs: 60_000 },
  backoff: { initialMs: 10, factor: 2, maxMs: 100 },
};

describe('a nats-server that is kept', function () {
  this.timeout(40_000);
  let server: NatsServer;
  let bus: NatsBus;

  beforeEach(async () => {
    server = await keepNatsServer({ policy, clock: createSystemClock(), log });
    bus = await connectNatsBus({ url: server.url, name: 'test', log });
  });

  afterEach(async () => {
    await bus.close();
    await server.stop();
  });

  it('is there again for who is connected, and given up when it ends too often', async () => {
    const { pid, url } = server;
    const heard: number[] = [];
    bus.subscribe('test.subject', ({ payload }) => heard.push(payload[0] ?? -1));
    process.kill(pid, 'SIGKILL');
    await eventually('another runs', () => server.pid !== pid, patienceMs);
    expect(server.url).to.equal(url);
    await eventually('the bus is back', () => bus.status === 'connected', patienceMs);
    bus.publish('test.subject', Uint8Array.of(7));
    await eventually('it arrives', () => heard.includes(7), patienceMs);
    process.kill(server.pid, 'SIGKILL');
    await server.ended;
  });

  it('does not come back when it is stopped', async () => {
    const { pid } = server;
    await server.stop();
    await server.ended;
    expect(server.pid).to.equal(pid);
    expect(() => process.kill(pid, 0)).to.throw();
  });
});
