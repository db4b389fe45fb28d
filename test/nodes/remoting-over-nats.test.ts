/**
 * Two nodes on the real host and a real NATS server: an actor asks another and watches it. What
 * remoting does in detail is in `test/runtime/remote.test.ts`.
 */

import { expect } from 'chai';

import { connectNatsBus, type NatsBus } from '../../nodes/adapters/nats-bus.ts';
import { type NatsServer, startNatsServer } from '../../nodes/adapters/nats-server.ts';
import { createSystemClock } from '../../nodes/adapters/system-clock.ts';
import type { ActorHost, Address, Ref, Terminated } from '../../runtime/actor.ts';
import { refOf } from '../../runtime/actor.ts';
import { silentLogger } from '../../runtime/log.ts';
import { silentMetrics } from '../../runtime/metrics.ts';
import { createNactHost } from '../../runtime/nact-host.ts';
import { createRemoting, type Remoting } from '../../runtime/remote.ts';
import { stopPolicy } from '../../runtime/supervision.ts';
import { eventually } from '../conformance/bus-harness.ts';
import { testDecoders } from '../runtime/remote-world.ts';

const log = silentLogger;
const metrics = silentMetrics;
const patienceMs = 10_000;

interface Node {
  readonly bus: NatsBus;
  readonly host: ActorHost;
  readonly remoting: Remoting;
}

type EchoCommand =
  | { readonly type: 'echo.repeat'; readonly text: string; readonly replyTo: Ref<Echoed> }
  | { readonly type: 'echo.fail' };

interface Echoed {
  readonly type: 'echo.repeated';
  readonly text: string;
  readonly bytes: Uint8Array;
}

function spawnEcho(host: ActorHost): Ref<EchoCommand> {
  return host.spawn<null, EchoCommand>(
    {
      start: () => null,
      behaviour: (state, message, ctx) => {
        if (message.type === 'echo.fail') throw new Error('told to fail');
        const bytes = new Uint8Array(message.text === 'much' ? 9_000_000 : 3).fill(7);
        ctx.tell(message.replyTo, { type: 'echo.repeated', text: message.text, bytes });
        return state;
      },
      supervision: stopPolicy,
      mailboxMax: 100,
    },
    'echo',
  );
}

describe('remoting over NATS', function () {
  this.timeout(30_000);
  let server: NatsServer;
  let asker: Node;
  let echoer: Node;
  const heard: Echoed[] = [];
  let me: Ref<Echoed>;

  async function join(node: string): Promise<Node> {
    const clock = createSystemClock();
    const bus = await connectNatsBus({ url: server.url, name: node, log });
    const host = createNactHost({ node, clock, seed: 1, log, metrics });
    const base = { host, bus, clock, log, metrics, node, decoders: testDecoders };
    const remoting = createRemoting({ ...base, kind: 'test', incarnation: node });
    remoting.setEpoch(1);
    return { bus, host, remoting };
  }

  async function leave({ bus, host, remoting }: Node): Promise<void> {
    await host.shutdown();
    remoting.stop();
    await bus.close();
  }

  const up = (node: Node, name: string): boolean =>
    node.remoting.nodes().some((view) => view.node === name && view.up);

  beforeEach(async () => {
    server = await startNatsServer({ log });
    [asker, echoer] = [await join('asker'), await join('echoer')];
    heard.length = 0;
    me = asker.host.port<Echoed>('me', (message) => heard.push(message));
    await eventually('both are up', () => up(asker, 'echoer') && up(echoer, 'asker'), patienceMs);
  });

  afterEach(async () => {
    await leave(asker);
    await leave(echoer);
    await server.stop();
  });

  it('carries questions and answers, small and larger than NATS takes', async () => {
    spawnEcho(echoer.host);
    const echo = refOf<EchoCommand>('echoer', 1, '/echo');
    asker.host.tell(echo, { type: 'echo.repeat', text: 'much', replyTo: me });
    asker.host.tell(echo, { type: 'echo.repeat', text: 'little', replyTo: me });
    await eventually('both answers come', () => heard.length >= 2, patienceMs);
    expect(heard.map(({ text, bytes }) => [text, bytes.length])).to.deep.equal([
      ['much', 9_000_000],
      ['little', 3],
    ]);
    expect(heard[0]?.bytes.every((byte) => byte === 7)).to.equal(true);
  });

  it('tells a watcher how an actor of another node ended', async () => {
    spawnEcho(echoer.host);
    const told: Terminated[] = [];
    const target: Address = { node: 'echoer', epoch: 1, path: '/echo' };
    asker.host.watch(target, (terminated) => told.push(terminated));
    asker.host.tell(refOf<EchoCommand>('echoer', 1, '/echo'), { type: 'echo.fail' });
    await eventually('it is told', () => told.length > 0, patienceMs);
    expect(told[0]).to.include({ reason: 'failed' });
    expect(told[0]?.address).to.deep.equal(target);
  });

  it('finds out at once that a node vanished, when somebody talks to it', async () => {
    spawnEcho(echoer.host);
    const told: Terminated[] = [];
    const target: Address = { node: 'echoer', epoch: 1, path: '/echo' };
    asker.host.watch(target, (terminated) => told.push(terminated));
    await echoer.bus.connection.close();
    await eventually(
      'it is told',
      () => {
        asker.host.tell(refOf<EchoCommand>('echoer', 1, '/echo'), { type: 'echo.fail' });
        return told.length > 0;
      },
      patienceMs,
    );
    expect(told.map(({ reason }) => reason)).to.deep.equal(['node-down']);
  });

  it('goes on after the server was killed and started again', async () => {
    spawnEcho(echoer.host);
    const echo = refOf<EchoCommand>('echoer', 1, '/echo');
    await server.stop();
    const cut = (): boolean => [asker, echoer].every(({ bus }) => bus.status === 'disconnected');
    await eventually('both are cut off', cut, patienceMs);
    asker.host.tell(echo, { type: 'echo.repeat', text: 'lost', replyTo: me });
    expect(asker.host.deadLetters.countOf('bus-refused')).to.equal(1);
    server = await startNatsServer({ log, port: Number(new URL(server.url).port) });
    const back = (): boolean => [asker, echoer].every(({ bus }) => bus.status === 'connected');
    await eventually('both are back', back, patienceMs);
    asker.host.tell(echo, { type: 'echo.repeat', text: 'found', replyTo: me });
    await eventually('the answer comes', () => heard.length > 0, patienceMs);
    expect(heard.map(({ text }) => text)).to.deep.equal(['found']);
    expect([up(asker, 'echoer'), up(echoer, 'asker')]).to.deep.equal([true, true]);
  });
});
