/**
 * `npm run bench`: measures every figure we promise against its peer or limit, in one run on this
 * machine, and prints machine, commit, figures and targets. `-- --json` for machines, `-- --only
 * WORD` for the figures whose name contains it, `-- --rounds N` for more rounds. Exit code 1 when
 * one is missed.
 */

import { execFileSync } from 'node:child_process';
import { cpus, totalmem } from 'node:os';
import { parseArgs } from 'node:util';

import { type Figure, measurements } from './measurements.ts';

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
    rounds: { type: 'string', default: '5' },
  },
});

const machine = {
  cpu: cpus()[0]?.model ?? 'unknown',
  cores: cpus().length,
  memoryGiB: Math.round(totalmem() / 2 ** 30),
  node: process.version,
  commit: commitOf(),
};

function commitOf(): string {
  try {
    const dirty =
      execFileSync('git', ['status', '--porcelain'], { encoding: 'utf8' }).trim() !== '';
    const head = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim();
    return dirty ? `${head} with changes` : head;
  } catch {
    return 'unknown';
  }
}

const figures: Figure[] = [];
if (!values.json) {
  const { cpu, cores, memoryGiB, node, commit } = machine;
  console.log(
    `${cpu}, ${String(cores)} cores, ${String(memoryGiB)} GiB, node ${node}, commit ${commit}\n`,
  );
}
for (const measurement of measurements) {
  if (!measurement.name.includes(values.only)) continue;
  process.stderr.write(`measuring ${measurement.name} …\n`);
  for (const figure of await measurement.run(Number(values.rounds))) {
    figures.push(figure);
    if (!values.json) {
      const mark = figure.met ? 'ok    ' : 'MISSED';
      console.log(`${mark} ${figure.name.padEnd(72)} ${figure.value.padEnd(38)} ${figure.target}`);
    }
  }
}
if (values.json) console.log(JSON.stringify({ machine, figures }));
process.exitCode = figures.every(({ met }) => met) ? 0 : 1;
