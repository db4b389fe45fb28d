/**
 * `npm run interference`: by how much engines slow one another that have a core each and share what
 * lies beyond: caches and memory. The simulator's `interference` is made from it. Each pair is
 * measured alone and together in turn, so that what others do on the machine meets both.
 */

import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { root } from '../processes.ts';
import { median } from '../statistics.ts';

const usage = `npm run interference -- [--rounds N] [--slice MS] [--json]

Measures CPU time a run of each engine alone on core 0, and beside each other engine on core 1, and
writes docs/interference.md. Needs two cores and taskset (util-linux).

Example: npm run interference -- --rounds 5 --slice 400
Exit code 0: measured; 1: it could not be.`;

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '9' },
    slice: { type: 'string', default: '500' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

interface Ran {
  readonly runs: number;
  readonly cpuMs: number;
}

interface Engine {
  readonly name: string;
  run(forMs: number): Promise<Ran>;
  stop(): void;
}

/** What is studied, and a loop that copies memory as fast as it can: the worst neighbour. */
const kinds: readonly (readonly [name: string, model: string, batch: number])[] = [
  ['resnet-tta b1', 'resnet-tta.onnx', 1],
  ['cnn-large b8', 'cnn-large.onnx', 8],
  ['cnn-small b32', 'cnn-small.onnx', 32],
  ['memory stream', 'stream', 1],
];

async function openEngine(
  core: number,
  [name, model, batch]: (typeof kinds)[number],
): Promise<Engine> {
  const here = dirname(fileURLToPath(import.meta.url));
  const path = model === 'stream' ? model : join(root, 'zoo', 'digit-classification', model);
  const loop = join(here, 'engine-loop.js');
  const child = spawn(
    'taskset',
    ['-c', String(core), process.execPath, loop, path, String(batch)],
    {
      stdio: ['pipe', 'pipe', 'inherit'],
    },
  );
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async (): Promise<string> => {
    const line = await lines.next();
    if (line.done === true) throw new Error(`the engine of ${name} ended`);
    return line.value;
  };
  await next();
  return {
    name,
    run: async (forMs) => {
      child.stdin.write(`run ${String(forMs)}\n`);
      return JSON.parse(await next()) as Ran;
    },
    stop: () => {
      child.stdin.end();
    },
  };
}

interface Pair {
  readonly engine: string;
  readonly beside: string;
  /** CPU time a run beside the other over that alone, median over rounds, less 1, percent. */
  readonly slowedPercent: number;
  /** The least and the most of them. */
  readonly leastPercent: number;
  readonly mostPercent: number;
}

async function measure(rounds: number, sliceMs: number): Promise<Pair[]> {
  const engines = await Promise.all(kinds.map((kind) => openEngine(0, kind)));
  const neighbours = await Promise.all(kinds.map((kind) => openEngine(1, kind)));
  const pairs: Pair[] = [];
  try {
    for (const engine of engines) {
      for (const neighbour of neighbours) {
        const ratios: number[] = [];
        for (let round = 0; round < rounds; round += 1) {
          const alone = await engine.run(sliceMs);
          // It begins before and ends after.
          const around = neighbour.run(1.3 * sliceMs);
          await new Promise((resolve) => setTimeout(resolve, 0.15 * sliceMs));
          const together = await engine.run(sliceMs);
          await around;
          ratios.push(together.cpuMs / together.runs / (alone.cpuMs / alone.runs));
        }
        const percents = ratios.map((ratio) => 100 * (ratio - 1));
        pairs.push({
          ...{ engine: engine.name, beside: neighbour.name, slowedPercent: median(percents) },
          ...{ leastPercent: Math.min(...percents), mostPercent: Math.max(...percents) },
        });
        process.stderr.write(
          `${engine.name} beside ${neighbour.name}: ${median(percents).toFixed(1)} %\n`,
        );
      }
    }
  } finally {
    for (const engine of [...engines, ...neighbours]) engine.stop();
  }
  return pairs;
}

function reportOf(pairs: readonly Pair[], share: number): string {
  const names = kinds.map(([name]) => name);
  const rows = names.map((engine) => {
    const cells = names.map((beside) => {
      const pair = pairs.find((each) => each.engine === engine && each.beside === beside);
      if (pair === undefined) return '–';
      const { slowedPercent, leastPercent, mostPercent } = pair;
      const range = `${leastPercent.toFixed(0)} to ${mostPercent.toFixed(0)}`;
      return `${slowedPercent.toFixed(1)} (${range})`;
    });
    return `| ${engine} | ${cells.join(' | ')} |`;
  });
  return [
    '# Interference',
    '',
    'Written by `npm run interference`. By how much an engine on one core is slowed by another',
    'on the',
    'next core, percent of its CPU time a run: median over rounds of alone and together in',
    'turn, and',
    `the least and most. ${cpus()[0]?.model ?? ''}, ${String(availableParallelism())} cores;`,
    `${new Date().toISOString().slice(0, 10)}.`,
    '',
    `| slowed ↓ by → | ${names.join(' | ')} |`,
    `|---${'|---:'.repeat(names.length)}|`,
    ...rows,
    '',
    `The mean over pairs of models is **${(100 * share).toFixed(1)} %**. The simulator's`,
    `engines slow`,
    'a batch by `interference` times the number of other batches that run on its machine; the',
    'scenarios',
    'of the experiments take 0.02, and the experiments halve and double it. On an accelerator',
    'batches',
    'run one after another, so that sharing it is seen as waiting. Engines that share one core are',
    'not modelled by a factor either: a core runs one batch at a time there too.',
    '',
  ].join('\n');
}

async function main(): Promise<void> {
  const pairs = await measure(Number(values.rounds), Number(values.slice));
  const models = pairs.filter(({ engine, beside }) => ![engine, beside].includes('memory stream'));
  const share = models.reduce((sum, each) => sum + each.slowedPercent, 0) / models.length / 100;
  mkdirSync(join(root, 'docs'), { recursive: true });
  writeFileSync(join(root, 'docs', 'interference.md'), reportOf(pairs, share));
  console.log(values.json ? JSON.stringify({ pairs, share }) : reportOf(pairs, share));
}

if (values.help) console.log(usage);
else {
  await main().catch((error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  });
}
