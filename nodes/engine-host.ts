/**
 * An engine host: the process whose lanes run models, apart from the worker so that a hang or a
 * crash of native code costs neither it nor its actors. Started by `adapters/onnx-engine.ts` only.
 *
 * This thread loads and runs nothing; it starts the lanes and watches the worker process through
 * the first of the inherited sockets. When that ends, the lanes' sockets end too, and they close; a
 * lane that cannot, because it hangs in native code, ends with the process.
 */

import { Socket } from 'node:net';
import { Worker } from 'node:worker_threads';

import { entryPointBeside } from './engine/entry-point.ts';
import type { HostSettings, LaneSettings } from './engine/messages.ts';

const controlFd = 3;
/** A terminal's Ctrl-C and a service manager's stop reach every process: the worker decides. */
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => undefined);

/** How long the lanes may take to close once the worker process is gone. */
const orphanedMs = 1_000;

const { lanes, ...settings } = JSON.parse(process.argv[2] ?? '') as HostSettings;
const { url, execArgv } = entryPointBeside(import.meta.url, './engine/lane');

const control = new Socket({ fd: controlFd, readable: true, writable: false });
control.on('error', () => undefined);
control.on('close', () => {
  setTimeout(() => {
    die('its lanes did not close');
  }, orphanedMs).unref();
});
control.resume();

let running = lanes;
for (let lane = 0; lane < lanes; lane += 1) {
  const workerData: LaneSettings = { fd: controlFd + 1 + lane, ...settings };
  const worker = new Worker(url, { workerData, execArgv: [...execArgv] });
  worker.on('error', (error) => {
    die(`lane ${String(lane)}: ${error.stack ?? error.message}`);
  });
  worker.on('exit', (code) => {
    if (code !== 0) die(`lane ${String(lane)} ended with code ${String(code)}`);
    running -= 1;
    if (running === 0) control.destroy();
  });
}

/** At once: `process.exit` would wait for threads that may never return from native code. */
function die(why: string): void {
  process.stderr.write(`engine host: ${why}\n`);
  process.kill(process.pid, 'SIGKILL');
}
