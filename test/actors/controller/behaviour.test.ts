/** The controller: who may live under which name, who learns of whom, what is stored. */

import { expect } from 'chai';

import {
  type ControllerConfig,
  controllerSpec,
  type StoredControl,
} from '../../../actors/controller/behaviour.ts';
import type {
  ControllerMessage,
  JoinNode,
  JoinOutcome,
  StoreCommand,
} from '../../../actors/controller/protocol.ts';
import type { DispatcherMessage } from '../../../actors/dispatcher/protocol.ts';
import type { Family } from '../../../actors/domain/family.ts';
import type { Variant } from '../../../actors/domain/variant.ts';
import type { RegistrarMessage } from '../../../actors/registrar/protocol.ts';
import type { WorkerMessage } from '../../../actors/worker/protocol.ts';
import { type Ref, refOf } from '../../../runtime/actor.ts';
import type { EpochRecord, EpochRecords } from '../../../runtime/membership.ts';
import { anySpec, Recording } from '../../support/recording-context.ts';
import { variantOf } from '../../support/variants.ts';

const store = refOf<StoreCommand>('controller', 1, '/store');
const asker = refOf<JoinOutcome>('w1', 0, '/join');
const dispatcherOf = (node: string, epoch = 1): Ref<DispatcherMessage> =>
  refOf(node, epoch, '/dispatcher');
const workerOf = (node: string, epoch = 1): Ref<WorkerMessage> => refOf(node, epoch, '/worker');
const registrar = refOf<RegistrarMessage>('controller', 1, '/registrar');

const nothing: StoredControl = { epochs: {}, families: [] };

/** A family of one, called as its variant is. */
function familyOf(variant: Variant): Family {
  const { id } = variant;
  return { architecture: id, version: 1, complete: true, variants: [variant], refused: [] };
}

class ControllerStage extends Recording<unknown, ControllerMessage> {
  constructor(stored = nothing, config: Partial<ControllerConfig> = {}) {
    const limits = { mailboxMax: 100, nodesMax: 10, ...config };
    super(anySpec(controllerSpec({ store, stored: () => stored, config: limits })));
  }

  join(parts: Partial<JoinNode> = {}): JoinOutcome {
    this.send({
      type: 'controller.join-node',
      requestId: 'r1',
      node: 'w1',
      incarnation: 'i1',
      kind: 'worker',
      epochSeen: 0,
      replyTo: asker,
      ...parts,
    });
    const outcome = this.toldTo(asker).at(-1);
    if (outcome === undefined) throw new Error('the controller did not answer');
    return outcome;
  }

  attachDispatcher(dispatcher: Ref<DispatcherMessage>): this {
    return this.send({ type: 'controller.attach-dispatcher', dispatcher });
  }

  attachWorker(worker: Ref<WorkerMessage>): this {
    return this.send({ type: 'controller.attach-worker', worker });
  }

  record(...ids: readonly string[]): this {
    for (const id of ids) {
      this.send({ type: 'controller.record-family', family: familyOf(variantOf(id)) });
    }
    return this;
  }

  get stored(): StoreCommand[] {
    return this.toldTo(store);
  }

  /** The dispatchers that a worker was last told of, by node and epoch. */
  knownTo(worker: Ref<WorkerMessage>): string[] | undefined {
    const told = this.toldTo(worker).filter(({ type }) => type === 'worker.dispatchers-changed');
    const last = told.at(-1);
    if (last?.type !== 'worker.dispatchers-changed') return undefined;
    return last.dispatchers.map(({ node, epoch }) => `${node}#${epoch}`);
  }

  /** The registries that a reader was told of: their revisions, and the ids in each. */
  registriesOf(reader: Ref<never>): string[] {
    return this.toldTo(reader as Ref<DispatcherMessage>).flatMap((message) =>
      'variants' in message
        ? [`${message.revision}: ${message.variants.map(({ id }) => id).join(' ')}`]
        : [],
    );
  }
}

describe('what readers should know', () => {
  it('is told again every second, as no change', () => {
    const worker = refOf<WorkerMessage>('w1', 1, '/worker');
    const dispatcher = refOf<DispatcherMessage>('g1', 1, '/dispatcher');
    const stage = new ControllerStage().attachWorker(worker).attachDispatcher(dispatcher);
    stage.forget();
    stage.advance(2_500);
    const twice = <T>(told: T): T[] => [told, told];
    expect(stage.toldTo(worker)).to.deep.equal(
      twice({ type: 'worker.dispatchers-changed', dispatchers: [dispatcher], revision: 1 }),
    );
    expect(stage.toldTo(dispatcher)).to.deep.equal(
      twice({ type: 'dispatcher.registry-changed', since: 1, revision: 1, variants: [] }),
    );
  });
});

describe('joining', () => {
  it('grants a new life of a node a higher epoch, and stores it', () => {
    const stage = new ControllerStage();
    expect(stage.join()).to.deep.equal({ type: 'node.joined', requestId: 'r1', epoch: 1 });
    expect(stage.join({ incarnation: 'i2' })).to.include({ epoch: 2 });
    const keys = stage.stored.map((command) => [command.type, command.key]);
    expect(keys).to.deep.equal([
      ['store.put', 'epoch/w1'],
      ['store.put', 'epoch/w1'],
    ]);
    expect(stage.stored[1]).to.have.nested.property('value.epoch', 2);
  });

  it('answers a request that is asked again as before, and stores nothing', () => {
    const stage = new ControllerStage();
    stage.join();
    stage.forget();
    expect(stage.join()).to.include({ type: 'node.joined', epoch: 1 });
    expect(stage.stored).to.deep.equal([]);
  });

  it('grants the same process a higher epoch when it joins anew after a stall', () => {
    const stage = new ControllerStage();
    stage.join();
    expect(stage.join({ requestId: 'r2', epochSeen: 1 })).to.include({ epoch: 2 });
  });

  it('goes on from the epochs that were stored, and from what a node has seen', () => {
    const record: EpochRecord = {
      node: 'w1',
      epoch: 7,
      incarnation: 'i0',
      requestId: 'r0',
      grantedAtMs: 0,
    };
    const epochs: EpochRecords = { w1: record };
    expect(new ControllerStage({ ...nothing, epochs }).join()).to.include({ epoch: 8 });
    expect(new ControllerStage().join({ epochSeen: 41 })).to.include({ epoch: 42 });
  });

  it('refuses the name of a node that lives, once it has had time to be found dead', () => {
    const stage = new ControllerStage(nothing, { contestMs: 1_500 });
    stage.join();
    stage.attachWorker(workerOf('w1')).forget();
    const newcomer = { requestId: 'r2', incarnation: 'i2' };
    for (const waitMs of [0, 500, 500]) {
      stage.advance(waitMs);
      expect(() => stage.join(newcomer)).to.throw('did not answer');
    }
    stage.advance(500);
    expect(stage.join(newcomer)).to.include({ type: 'node.join-refused', requestId: 'r2' });
    expect(stage.stored).to.deep.equal([]);
    stage.forget();
    const later = { requestId: 'r3', incarnation: 'i3' };
    expect(() => stage.join(later), 'another one has its own time').to.throw('did not answer');
  });

  it('grants that name as soon as its bearer is dead, and to its bearer always', () => {
    const stage = new ControllerStage();
    stage.join();
    stage.attachDispatcher(dispatcherOf('w1')).forget();
    expect(stage.join({ requestId: 'r2', epochSeen: 1 })).to.include({ epoch: 2 });
    stage.forget();
    const newcomer = { requestId: 'r3', incarnation: 'i2' };
    expect(() => stage.join(newcomer)).to.throw('did not answer');
    stage.terminate(dispatcherOf('w1'), 'node-down');
    expect(stage.join(newcomer)).to.include({ type: 'node.joined', epoch: 3 });
  });

  it('refuses a name that is none, and nodes over its limit, but no node that it knows', () => {
    const stage = new ControllerStage(nothing, { nodesMax: 1 });
    expect(stage.join({ node: 'a.b' })).to.include({ type: 'node.join-refused' });
    stage.join();
    expect(stage.join({ node: 'w2' }))
      .to.have.property('message')
      .match(/1 nodes, its limit/);
    expect(stage.join({ incarnation: 'i2' })).to.include({ type: 'node.joined' });
    expect(stage.stored).to.have.length(2);
  });
});

describe('the introduction of workers to dispatchers', () => {
  it('tells every worker of every dispatcher, whoever comes first', () => {
    const stage = new ControllerStage();
    stage.attachWorker(workerOf('w1')).attachDispatcher(dispatcherOf('g1'));
    stage.attachDispatcher(dispatcherOf('g2')).attachWorker(workerOf('w2'));
    for (const node of ['w1', 'w2']) {
      expect(stage.knownTo(workerOf(node))).to.deep.equal(['g1#1', 'g2#1']);
    }
  });

  it('ends when a dispatcher is gone', () => {
    const stage = new ControllerStage();
    stage.attachWorker(workerOf('w1')).attachDispatcher(dispatcherOf('g1'));
    stage.terminate(dispatcherOf('g1'), 'node-down');
    expect(stage.knownTo(workerOf('w1'))).to.deep.equal([]);
  });

  it('takes the newest life of a node, and does not bury it with an older one', () => {
    const stage = new ControllerStage();
    stage.attachWorker(workerOf('w1'));
    stage.attachDispatcher(dispatcherOf('g1', 1)).attachDispatcher(dispatcherOf('g1', 2));
    expect(stage.knownTo(workerOf('w1'))).to.deep.equal(['g1#2']);
    stage.terminate(dispatcherOf('g1', 1), 'node-down');
    expect(stage.knownTo(workerOf('w1'))).to.deep.equal(['g1#2']);
  });

  it('tells a worker that is gone nothing more', () => {
    const stage = new ControllerStage();
    stage.attachWorker(workerOf('w1'));
    stage.terminate(workerOf('w1'), 'node-down');
    stage.forget().attachDispatcher(dispatcherOf('g1'));
    expect(stage.toldTo(workerOf('w1'))).to.deep.equal([]);
  });
});

describe('the registry', () => {
  it('is given to whoever attaches', () => {
    const stage = new ControllerStage({ ...nothing, families: [familyOf(variantOf('v'))] });
    stage.attachDispatcher(dispatcherOf('g1')).attachWorker(workerOf('w1'));
    stage.send({ type: 'controller.attach-registrar', registrar });
    for (const reader of [dispatcherOf('g1'), workerOf('w1')]) {
      expect(stage.registriesOf(reader)).to.deep.equal(['1: v']);
    }
    const families = [familyOf(variantOf('v'))];
    expect(stage.toldTo(registrar)).to.deep.equal([
      { type: 'registrar.registry-changed', revision: 1, families },
    ]);
  });

  it('is stored at once, and told once when several variants come together', () => {
    const stage = new ControllerStage();
    stage.attachDispatcher(dispatcherOf('g1')).attachWorker(workerOf('w1'));
    stage.forget().record('v', 'w');
    expect(stage.stored.map(({ key }) => key)).to.deep.equal(['family/v', 'family/w']);
    stage.advance(0);
    for (const reader of [dispatcherOf('g1'), workerOf('w1')]) {
      expect(stage.registriesOf(reader)).to.deep.equal(['3: v w']);
    }
  });

  it('has the newest of a variant that is registered again', () => {
    const stage = new ControllerStage({
      ...nothing,
      families: [familyOf(variantOf('v', { accuracy: 1 }))],
    });
    stage.record('v').advance(0).attachDispatcher(dispatcherOf('g1'));
    const [told] = stage.toldTo(dispatcherOf('g1'));
    expect(told).to.have.nested.property('variants[0].accuracy', 90);
    expect(told).to.have.property('variants').with.length(1);
  });

  it('is read from the store anew when the controller starts again', () => {
    const epochs: Record<string, EpochRecord> = {};
    const families: Family[] = [];
    const spec = controllerSpec({
      store,
      stored: () => ({ epochs, families }),
      config: { mailboxMax: 10, nodesMax: 10 },
    });
    families.push(familyOf(variantOf('v')));
    const again = new Recording(anySpec(spec));
    again.send({ type: 'controller.attach-dispatcher', dispatcher: dispatcherOf('g1') });
    expect(again.toldTo(dispatcherOf('g1'))[0]).to.have.nested.property('variants[0].id', 'v');
  });

  it('is told by its changes, with what they change from', () => {
    const stage = new ControllerStage({ ...nothing, families: [familyOf(variantOf('v'))] });
    stage.attachDispatcher(dispatcherOf('g1')).attachWorker(workerOf('w1')).forget();
    stage.record('w').advance(0);
    const removal = { architecture: 'v', requestId: 'r1', replyTo: registrar };
    stage.send({ type: 'controller.remove-family', ...removal }).advance(0);
    for (const reader of [dispatcherOf('g1'), workerOf('w1')]) {
      const told = stage.toldTo(reader as Ref<DispatcherMessage>);
      expect(told[0]).to.deep.include({ since: 1, revision: 2, removed: [] });
      expect(told[1]).to.deep.include({ since: 2, revision: 3, variants: [], removed: ['v'] });
    }
  });

  it('gives whoever attaches in between nothing twice and leaves out nothing', () => {
    const stage = new ControllerStage();
    stage.record('v').attachDispatcher(dispatcherOf('g1')).advance(0);
    const told = stage.toldTo(dispatcherOf('g1'));
    expect(told[0]).to.include({ revision: 1 }).and.not.to.have.property('since');
    expect(told[0]).to.have.nested.property('variants[0].id', 'v');
    expect(told[1]).to.include({ since: 1, revision: 2 });
  });

  it('asks the store to say when a family is safe, in the name of whoever recorded it', () => {
    const stage = new ControllerStage();
    const family = familyOf(variantOf('v'));
    const asked = { requestId: 'r1', replyTo: registrar };
    stage.send({ type: 'controller.record-family', family, ...asked });
    const replyTo = { requestId: 'r1', ref: registrar };
    expect(stage.stored).to.deep.equal([
      { type: 'store.put', key: 'family/v', value: family, replyTo },
    ]);
  });
});
