/** A thread that runs cells: one at a time, as it is told, until it is ended. */

import { parentPort } from 'node:worker_threads';

import { readScenario } from '../../sim/command/read-scenario.ts';
import { runScenario } from '../../sim/scenario/run-scenario.ts';
import type { Cell } from './experiment.ts';

export interface Order {
  readonly cell: Cell;
  readonly file: string;
}

parentPort?.on('message', ({ cell: { policy, seed, set }, file }: Order) => {
  const startedMs = performance.now();
  const report = runScenario(readScenario(file, { policy, seed, set }));
  const tookS = (performance.now() - startedMs) / 1_000;
  parentPort?.postMessage({ report, tookS });
});
