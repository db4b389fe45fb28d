/**
 * A lane: one thread of an engine host, which runs the batches of its sessions one after the other
 * over a socket of its own. Lanes are the worker's core permits: as many threads run as there are
 * lanes.
 *
 * ONNX Runtime blocks this thread while it loads or runs. It is never terminated: that would abort
 * the process. It ends by itself after `close`, or when the socket ends because the worker process
 * is gone.
 */

import { type OnReadOpts, Socket, type SocketConstructorOpts } from 'node:net';
import { workerData } from 'node:worker_threads';

import { messageOf } from '../../runtime/errors.ts';
import { decode } from '../../runtime/wire/codec.ts';
import { encodeFrame, FrameBody, FrameReader, writeChunks } from './frames.ts';
import type { LaneReply, LaneRequest, LaneSettings, LoadRequest, RunRequest } from './messages.ts';
import { measureSession } from './measure.ts';
import { createSession, type LaneSession, runSession, warmRuntime } from './session.ts';

interface Work {
  readonly request: LaneRequest;
  readonly body: Uint8Array;
}

const { fd, frameBytesMax, session: sessionSettings } = workerData as LaneSettings;
const sessions = new Map<number, LaneSession>();
const waiting: Work[] = [];
let working = false;
let closing = false;

const reader = new FrameReader({
  frameBytesMax,
  keepChunks: false,
  onFrame: (head, body) => {
    waiting.push({ request: decode(head) as LaneRequest, body });
  },
});
const scratch = new Uint8Array(64 * 1024);
let target: Uint8Array = scratch;

// Node documents `onread` for this constructor; its types know it for `connect` only.
const options: SocketConstructorOpts & { readonly onread: OnReadOpts } = {
  fd,
  readable: true,
  writable: true,
  onread: {
    buffer: () => (target = largeRest() ?? scratch),
    callback: (bytes) => {
      if (target === scratch) reader.push(scratch.subarray(0, bytes));
      else reader.advance(bytes);
      void work();
      return true;
    },
  },
};
const socket = new Socket(options);
socket.on('end', () => {
  closing = true;
  void work();
});
// The worker process is gone: whatever is left to say has no hearer.
socket.on('error', () => {
  closing = true;
  void work();
});
working = true;
await warmRuntime(sessionSettings);
reply({ type: 'ready' });
working = false;
void work();

/** Large frames are read right to where they belong, small ones by the dozen. */
function largeRest(): Uint8Array | undefined {
  const rest = reader.rest();
  return rest !== undefined && rest.byteLength >= scratch.byteLength ? rest : undefined;
}

async function work(): Promise<void> {
  if (working) return;
  working = true;
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    await handle(next);
  }
  working = false;
  if (closing) await close();
}

async function handle({ request, body }: Work): Promise<void> {
  try {
    if (!('type' in request)) {
      await run(request, body);
    } else if (request.type === 'load') {
      reply(await load(request));
    } else if (request.type === 'unload') {
      await sessions.get(request.session)?.onnx.release();
      sessions.delete(request.session);
      reply({ type: 'unloaded' });
    } else {
      closing = true;
    }
  } catch (error) {
    reply({ type: 'failed', message: messageOf(error) });
  }
}

async function run(request: RunRequest, body: Uint8Array): Promise<void> {
  const [id, shapes, byteLengths, wanted] = request;
  const session = sessions.get(id);
  if (session === undefined) throw new Error(`session ${String(id)} is not loaded`);
  const { inferMs, outputs } = await runSession(session, shapes, byteLengths, wanted, body);
  const answer = new FrameBody();
  const lengths = outputs.map(({ data }) => answer.addTensor([data]));
  reply([inferMs, outputs.map(({ shape }) => shape), lengths], answer);
}

async function load(request: LoadRequest): Promise<LaneReply> {
  const before = process.memoryUsage.rss();
  const session = await createSession(request, sessionSettings);
  const measured = await measureSession(session, request);
  sessions.set(request.session, session);
  const growth = process.memoryUsage.rss() - before;
  const memoryBytes = Math.max(growth, request.file.bytes);
  return { type: 'loaded', loadMs: session.createMs, memoryBytes, measured };
}

function reply(message: LaneReply, body?: FrameBody): void {
  writeChunks(socket, encodeFrame(message, body, frameBytesMax));
}

async function close(): Promise<void> {
  for (const session of sessions.values()) await session.onnx.release();
  sessions.clear();
  socket.end(() => socket.destroy());
}
