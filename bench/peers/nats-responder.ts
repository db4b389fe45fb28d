/** Answers bare NATS requests from a process of its own. Usage: nats-responder URL. */

import { connect } from 'nats';

const connection = await connect({ servers: process.argv[2] ?? 'nats://127.0.0.1:4222' });
const answer = new Uint8Array(64);
connection.subscribe('bench.echo', {
  callback: (error, message) => {
    if (error === null) message.respond(answer);
  },
});
await connection.flush();
process.stdout.write(`${JSON.stringify({ ready: true })}\n`);
