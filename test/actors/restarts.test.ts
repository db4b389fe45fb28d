/** What a restart by supervision loses is asked for anew: peers, registry, queries. */

import { expect } from 'chai';

import { dispatcherSpec } from '../../actors/dispatcher/behaviour.ts';
import type { DispatcherMessage, GatewayMessage } from '../../actors/dispatcher/protocol.ts';
import { controllerSpec } from '../../actors/controller/behaviour.ts';
import type { ControllerMessage } from '../../actors/controller/protocol.ts';
import { refOf } from '../../runtime/actor.ts';
import { anySpec, Recording } from '../support/recording-context.ts';
import { WorkerStage } from '../support/worker-stage.ts';
import { runQuery } from '../support/run-queries.ts';
import { mebibyte, variantOf } from '../support/variants.ts';

const controller = refOf<ControllerMessage>('controller', 1, '/controller');
const desk = refOf<GatewayMessage>('gateway', 1, '/gateway-http');

function dispatcherOf(epoch: number): Recording<unknown, DispatcherMessage> {
  const config = {
    ...{ mailboxMax: 10, inFlightMax: 10, inFlightPerTenantMax: 10, batchMax: 8 },
    ...{ attemptsMax: 2, lossesMax: 8, explainedMax: 10, selection: 'cheapest' as const, hopMs: 0 },
  };
  const options = { config, controller, epoch: () => epoch, gateways: () => [desk] };
  return new Recording(anySpec(dispatcherSpec(options)), { self: refOf('gateway', 1, '/d') });
}

describe('an actor that starts, for the first time or again', () => {
  it('attaches to the controller when it is a dispatcher of a node that has joined', () => {
    const types = (epoch: number) =>
      dispatcherOf(epoch)
        .toldTo(controller)
        .map(({ type }) => type);
    expect(types(3)).to.deep.equal(['controller.attach-dispatcher']);
    expect(types(0)).to.deep.equal([]);
  });

  it('tells its gateways that their queries are lost when it is a dispatcher', () => {
    expect(dispatcherOf(1).toldTo(desk)).to.deep.equal([{ type: 'gateway.queries-lost' }]);
  });

  it('attaches to the controller when it is a worker of a node that has joined', () => {
    const [attach] = new WorkerStage().toldTo(controller);
    expect(attach).to.include({ type: 'controller.attach-worker' });
  });

  it('gives no instance a name again when it is a worker', () => {
    const stage = new WorkerStage();
    stage.knows(variantOf('v')).send(runQuery('q1'));
    expect(stage.loads).to.deep.equal(['v-1']);
    stage.restart();
    stage.knows(variantOf('v')).send(runQuery('q2'));
    expect(stage.loads).to.deep.equal(['v-2']);
  });

  it('loads into memory that sessions of its earlier life hold once the engine released them', () => {
    const stage = new WorkerStage({}, 8 * mebibyte);
    const big = variantOf('v', { memoryBytes: 5 * mebibyte });
    stage.knows(big).send(runQuery('q1'));
    stage.restart();
    expect(stage.toldTo(stage.engine)).to.deep.include({
      ...{ type: 'engine.unload-variant', instanceId: 'w1/v-1', releasedTo: stage.self },
    });
    stage.knows(big).send(runQuery('q2'));
    expect(stage.loads).to.deep.equal([]);
    stage.send({ type: 'worker.session-released', instanceId: 'w1/v-1' });
    expect(stage.loads).to.deep.equal(['v-2']);
    stage.restart();
    const unloaded = stage
      .toldTo(stage.engine)
      .flatMap((told) => (told.type === 'engine.unload-variant' ? [told.instanceId] : []));
    expect(unloaded).to.deep.equal(['w1/v-1', 'w1/v-2']);
  });

  it('asks every node it ever knew, and its own, to attach when it is the controller', () => {
    const grant = { node: 'w1', epoch: 4, incarnation: 'i', requestId: 'r', grantedAtMs: 0 };
    const spec = controllerSpec({
      store: refOf('controller', 1, '/store'),
      stored: () => ({ epochs: { w1: grant }, families: [] }),
      config: { mailboxMax: 10, nodesMax: 10 },
    });
    const started = new Recording(anySpec(spec), { self: controller });
    const asked = started.told.map(({ to, message }) => [to.node, to.path, message]);
    const wanted = { type: 'node.attach-wanted' };
    expect(asked).to.deep.equal([
      ['controller', '/join', wanted],
      ['w1', '/join', wanted],
    ]);
  });
});

describe('a worker that drains', () => {
  it('takes nothing more, and stops when its last instance has ended', () => {
    const stage = new WorkerStage();
    stage.knows(variantOf('v')).send(runQuery('q1'), { type: 'worker.drain' }).forget();
    stage.send(runQuery('q2', { variantId: 'v' }));
    expect(stage.loads).to.deep.equal(['v-1']);
    expect(stage.stopped).to.equal(false);
    stage.end('v-1', 'stopped');
    expect(stage.stopped).to.equal(true);
  });

  it('stops at once when it holds nothing', () => {
    const stage = new WorkerStage();
    stage.send({ type: 'worker.drain' });
    expect(stage.stopped).to.equal(true);
  });
});
