/**
 * A process that schedules a ping every millisecond and measures from the scheduled time to the
 * answer, so that a server that stalls is charged for every ping it kept waiting.
 * Usage: pinger URL SECONDS; prints {"p50","p99","count"} in milliseconds.
 */

import { Packr } from 'msgpackr';

import { open } from './drive.ts';
import { percentile } from './statistics.ts';

const packr = new Packr({ useRecords: false });
const [url = '', seconds = '5'] = process.argv.slice(2);
const total = Number(seconds) * 1_000;
const socket = await open(url);
const latencies: number[] = [];
const startMs = performance.now() + 200;
let sent = 0;

socket.on('message', (data: Buffer) => {
  const { id } = packr.unpack(data) as { id: string | number };
  latencies.push(performance.now() - (startMs + Number(id)));
});

const timer = setInterval(() => {
  const dueMs = performance.now() - startMs;
  while (sent <= dueMs && sent < total) {
    socket.send(packr.pack({ op: 'ping', id: String(sent) }));
    sent += 1;
  }
  if (sent < total) return;
  clearInterval(timer);
  setTimeout(finish, 1_000);
}, 1);

function finish(): void {
  const sorted = latencies.sort((a, b) => a - b);
  // What never came counts as the worst there is.
  for (let index = latencies.length; index < total; index += 1) sorted.push(Infinity);
  const p50 = percentile(sorted, 0.5);
  const p99 = percentile(sorted, 0.99);
  process.stdout.write(`${JSON.stringify({ p50, p99, count: total })}\n`);
  socket.close();
}
