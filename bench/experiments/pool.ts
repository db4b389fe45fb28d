/** Runs cells on several threads and keeps each result in a file as soon as it is there. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';

import type { ScenarioReport } from '../../sim/scenario/report.ts';
import { root } from '../processes.ts';
import { commandOf, keyOf } from './cells.ts';
import type { Cell } from './experiment.ts';
import { readKept, writeKept } from './kept.ts';
import type { Order } from './run-cells.ts';

export interface PoolOptions {
  readonly folder: string;
  readonly jobs: number;
  /** Nothing is run; what is not there is left out. */
  readonly onlyKept: boolean;
  /** A contender whose results are not to be taken from before. */
  readonly again: string | undefined;
  readonly onProgress: (done: number, of: number, cell: Cell, tookS: number) => void;
}

export function scenarioFile(scenario: string): string {
  return join(root, 'examples', 'experiments', `${scenario}.yaml`);
}

/** The results, by cell. Throws when a run fails, saying how to repeat it. */
export async function resultsOf(
  cells: readonly Cell[],
  options: PoolOptions,
): Promise<ReadonlyMap<Cell, ScenarioReport>> {
  const results = new Map<Cell, ScenarioReport>();
  const pathOf = (cell: Cell): string => {
    const text = readFileSync(scenarioFile(cell.scenario), 'utf8');
    return join(options.folder, keyOf(cell, text));
  };
  const missing: Cell[] = [];
  for (const cell of cells) {
    const isFresh = cell.contender === options.again;
    const kept = isFresh ? undefined : (readKept(pathOf(cell)) as ScenarioReport | undefined);
    if (kept === undefined) missing.push(cell);
    else results.set(cell, kept);
  }
  if (options.onlyKept) return results;
  const wanted = missing.length;
  let done = 0;
  const runNext = async (worker: Worker): Promise<void> => {
    for (let cell = missing.shift(); cell !== undefined; cell = missing.shift()) {
      const { report, tookS } = await run(worker, cell);
      writeKept(pathOf(cell), report);
      results.set(cell, report);
      done += 1;
      options.onProgress(done, wanted, cell, tookS);
    }
  };
  const workers = Array.from({ length: Math.min(options.jobs, missing.length) }, () => {
    return new Worker(new URL('./run-cells.ts', import.meta.url));
  });
  try {
    await Promise.all(workers.map((worker) => runNext(worker)));
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
  return results;
}

interface Ran {
  readonly report: ScenarioReport;
  readonly tookS: number;
}

function run(worker: Worker, cell: Cell): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const settle = (): void => {
      worker.off('message', onRan);
      worker.off('error', onError);
    };
    const onRan = (ran: Ran): void => {
      settle();
      resolve(ran);
    };
    const onError = (error: Error): void => {
      settle();
      reject(new Error(`${error.message}\nrepeat it with: ${commandOf(cell)}`, { cause: error }));
    };
    worker.once('message', onRan);
    worker.once('error', onError);
    const order: Order = { cell, file: scenarioFile(cell.scenario) };
    worker.postMessage(order);
  });
}
