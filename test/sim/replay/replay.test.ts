/** Whole systems under faults, recorded node by node: played again, each decides the same. */

import { expect } from 'chai';

import { type DispatcherOptions, dispatcherSpec } from '../../../actors/dispatcher/behaviour.ts';
import { recordingFormat, recordingVersion } from '../../../actors/recording/entries.ts';
import { type Piece, readRecording } from '../../../actors/recording/read-recording.ts';
import { TurnWriter } from '../../../actors/recording/turn-writer.ts';
import { type WorkerOptions, workerSpec } from '../../../actors/worker/behaviour.ts';
import { bodyDecoders } from '../../../nodes/wire-schemas.ts';
import { type ActorContext, type ActorSpec, refOf } from '../../../runtime/actor.ts';
import { ConfigInvalid } from '../../../runtime/errors.ts';
import { restartPolicy } from '../../../runtime/supervision.ts';
import { createRecordEncoder } from '../../../runtime/wire/record-codec.ts';
import type { SpecFactories } from '../../../sim/cluster/cluster.ts';
import { drawPlan } from '../../../sim/faults/plan.ts';
import { playPlan } from '../../../sim/faults/play.ts';
import { replay } from '../../../sim/replay/replay.ts';

interface Recorder {
  readonly writer: TurnWriter;
  readonly blocks: Uint8Array[];
}

function recorder(bytesMax = 1e9): Recorder {
  const blocks: Uint8Array[] = [];
  const writer = new TurnWriter({
    header: { node: 'n', wallMs: 0, nowMs: 0 },
    write: (bytes) => {
      blocks.push(bytes);
    },
    bytesMax,
    onFull: () => undefined,
  });
  return { writer, blocks };
}

/** Each life of each gateway and worker of the system of that seed. */
function recordSystem(seed: number): Piece[][] {
  const recorders: Recorder[] = [];
  const recorded = (
    kind: 'dispatcher' | 'worker',
    options: object,
    spec: ActorSpec<never, never>,
  ): ActorSpec<never, never> => {
    const one = recorder();
    recorders.push(one);
    return one.writer.record(spec, { path: `/${kind}`, kind, options });
  };
  const specs: Partial<SpecFactories> = {
    dispatcher: (options: DispatcherOptions) =>
      recorded('dispatcher', options, dispatcherSpec(options) as never) as never,
    worker: (options: WorkerOptions) =>
      recorded('worker', options, workerSpec(options) as never) as never,
  };
  const { wrongs } = playPlan(drawPlan(seed), { decoders: bodyDecoders, specs });
  expect(wrongs).to.deep.equal([]);
  return recorders.map(({ blocks }) => [...readRecording(blocks, `seed ${String(seed)}`)]);
}

describe('a recording', () => {
  for (const seed of [1, 2, 3, 4, 5]) {
    it(`of the system under faults of seed ${String(seed)} is played again bit for bit`, () => {
      const recordings = recordSystem(seed);
      expect(recordings.length).to.be.at.least(2);
      for (const recording of recordings) {
        const { differences, skipped, decided, turns } = replay(recording);
        expect(differences).to.deep.equal([]);
        expect(skipped).to.equal(0);
        expect(turns).to.be.greaterThan(10);
        expect(Object.keys(decided)).not.to.deep.equal([]);
      }
    });
  }

  it('tells apart what another policy decides, and where it does so first', () => {
    const isGateway = (pieces: Piece[]): boolean =>
      pieces.some((piece) => piece.kind === 'root' && piece.root.kind === 'dispatcher');
    const gateway = recordSystem(1).find(isGateway) ?? [];
    const otherwise = gateway.map((piece): Piece => {
      if (piece.kind !== 'root') return piece;
      const { config } = piece.root.options as { readonly config: object };
      const options = { ...piece.root.options, config: { ...config, selection: 'round-robin' } };
      return { ...piece, root: { ...piece.root, options } };
    });
    const { different, differences } = replay(otherwise);
    expect(different).to.be.greaterThan(10);
    expect(differences[0]?.path).to.equal('/dispatcher');
    expect(differences[0]?.then).not.to.deep.equal(differences[0]?.now);
  });

  it('is good up to where it was cut short', () => {
    const [whole = []] = recordSystem(2);
    const report = replay(whole.slice(0, Math.floor(whole.length / 2)));
    expect(report).to.include({ different: 0, cutShort: true });
    expect(report.turns).to.be.greaterThan(10);
  });

  it('ends when it is full, between two turns, and what it recorded goes on', () => {
    const { writer, blocks } = recorder(2_000);
    const counting: ActorSpec<number, object> = {
      start: () => 0,
      behaviour: (count) => count + 1,
      supervision: restartPolicy,
      mailboxMax: 1,
    };
    const root = { path: '/counting', kind: 'dispatcher', options: {} } as const;
    const spec = writer.record(counting, root);
    const ctx = { self: refOf<object>('n', 1, '/counting'), nowMs: 1 } as ActorContext<object>;
    let count = spec.start(ctx);
    for (let turn = 0; turn < 500; turn += 1) count = spec.behaviour(count, { type: 'one' }, ctx);
    expect(count).to.equal(500);
    expect(writer.open).to.equal(false);
    const pieces = [...readRecording(blocks, 'full')];
    expect(pieces.at(-1)).to.deep.equal({ kind: 'closed', why: 'it is full' });
    expect(pieces.filter(({ kind }) => kind === 'turn').length).to.be.within(10, 499);
    expect(writer.bytes).to.be.lessThan(2_200);
  });

  it('is refused where it is none, of another version, or damaged', () => {
    const other = { format: recordingFormat, version: recordingVersion + 1 };
    const refused = (bytes: readonly Uint8Array[]) => () => [
      ...readRecording(bytes, 'it.recording'),
    ];
    expect(refused([])).to.throw(ConfigInvalid, 'it.recording is no recording, or ends');
    expect(refused([createRecordEncoder().encode('no')])).to.throw(
      ConfigInvalid,
      'it.recording is no recording',
    );
    expect(refused([createRecordEncoder().encode(other)])).to.throw(
      ConfigInvalid,
      /of version 2; this infaas reads 1/,
    );
    const { writer, blocks } = recorder();
    writer.close('done');
    const [header = new Uint8Array()] = blocks;
    expect(refused([header, Uint8Array.of(0xc1)])).to.throw(ConfigInvalid, /is damaged/);
  });
});
