/**
 * The peer that somebody would write by hand: `ws` and ONNX Runtime in one process, msgpack frames.
 *
 *   ws-server --model FILE --input NAME --output NAME --shape 1,1,28,28 --threads default|1
 *             --port 0
 *
 * Prints `{"port":N}` when it is ready. `{ id, data }` is answered by `{ id, data }` (bytes both),
 * a failure by `{ id, error }`, `{ op: 'ping', id }` by `{ id }` at once.
 */

import type { AddressInfo } from 'node:net';

import { Packr } from 'msgpackr';
import { type WebSocket, WebSocketServer } from 'ws';

import { createInfer, peerOptions } from './tensor-session.ts';

interface PingOrQuery {
  readonly op?: 'ping';
  readonly id: number | string;
  readonly data?: Uint8Array;
}

const PAYLOAD_BYTES_MAX = 16 * 2 ** 20;

const packr = new Packr({ useRecords: false });
const options = peerOptions(process.argv.slice(2));
const infer = await createInfer(options);

const server = new WebSocketServer({
  host: '127.0.0.1',
  port: options.port,
  perMessageDeflate: false,
  maxPayload: PAYLOAD_BYTES_MAX,
  skipUTF8Validation: true,
  clientTracking: false,
});

server.on('connection', (socket, request) => {
  request.socket.setNoDelay(true);
  socket.on('message', (frame: Buffer) => {
    const message = packr.unpack(frame) as PingOrQuery;
    if (message.op === 'ping') socket.send(packr.pack({ id: message.id }));
    else void answer(socket, message);
  });
  socket.on('error', () => {
    socket.terminate();
  });
});

async function answer(socket: WebSocket, { id, data }: PingOrQuery): Promise<void> {
  try {
    socket.send(packr.pack({ id, data: await infer(data ?? new Uint8Array(0)) }));
  } catch (error) {
    socket.send(packr.pack({ id, error: error instanceof Error ? error.message : String(error) }));
  }
}

server.once('listening', () => {
  const { port } = server.address() as AddressInfo;
  process.stdout.write(`${JSON.stringify({ port })}\n`);
});
