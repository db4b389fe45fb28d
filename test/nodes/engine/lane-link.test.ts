/** What a lane is sent, and in which order, while it works. */

import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';

import { expect } from 'chai';

import { FrameReader, encodeFrame } from '../../../nodes/engine/frames.ts';
import { LaneLink } from '../../../nodes/engine/lane-link.ts';
import { decode, plainBytes } from '../../../runtime/wire/codec.ts';

const frameBytesMax = 1_000;

/** The lane's end of the socket: notes the sessions asked to unload, answers when told to. */
class LaneEnd extends Duplex {
  readonly asked: number[] = [];
  readonly #reader = new FrameReader({
    frameBytesMax,
    keepChunks: true,
    onFrame: (head) => {
      const request = decode(head) as { readonly session?: number };
      if (request.session !== undefined) this.asked.push(request.session);
      else this.asked.push(NaN);
    },
  });

  override _read(): void {
    // What comes is pushed as it comes.
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.#reader.push(plainBytes(chunk));
    done();
  }

  answer(): void {
    for (const chunk of encodeFrame({ type: 'unloaded' }, undefined, frameBytesMax)) {
      this.push(Buffer.from(chunk));
    }
  }
}

describe('a lane', () => {
  let end: LaneEnd;
  let lane: LaneLink;
  let answered: number[];

  beforeEach(() => {
    end = new LaneEnd();
    answered = [];
    lane = new LaneLink({
      socket: end as unknown as Socket,
      frameBytesMax,
      ready: () => undefined,
      broken: (message) => {
        throw new Error(message);
      },
    });
  });

  function submit(session: number, dueMs: number, late = false): void {
    lane.submit(
      {
        ...{ variantId: 'v', what: 'a batch', limitMs: 1_000, priority: 0, dueMs, late },
        answered: () => answered.push(session),
      },
      { type: 'unload', session },
    );
  }

  async function answerAll(count: number): Promise<void> {
    for (let at = 0; at < count; at += 1) {
      end.answer();
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  it('has one at work and one next to it; of the others the first due comes first', async () => {
    submit(1, 10);
    submit(2, 50);
    submit(3, 90);
    submit(4, 70, true);
    submit(5, 60);
    submit(6, -Infinity);
    expect(end.asked).to.deep.equal([1, 2]);
    await answerAll(6);
    expect(end.asked).to.deep.equal([1, 2, 6, 5, 3, 4]);
    expect(answered).to.deep.equal(end.asked);
  });

  it('is sent all of it before it is closed', () => {
    for (const session of [1, 2, 3, 4]) submit(session, session);
    lane.close();
    expect(end.asked).to.deep.equal([1, 2, 3, 4, NaN]);
  });
});
