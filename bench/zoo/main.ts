/**
 * `npm run zoo:report`: registers the bundled models with a system of its own, compares what was
 * made of them with ONNX Runtime's defaults, and writes docs/zoo.md with its charts.
 *
 * What was registered stays in `--data`, so that an interrupted run goes on where it ended.
 */

import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';

import { env } from 'onnxruntime-node';

import { describeVariant } from '../../actors/domain/describe-variant.ts';
import type { Family } from '../../actors/domain/family.ts';
import { connect } from '../../client/index.ts';
import { accuracyChart } from '../../nodes/cli/accuracy-chart.ts';
import { startProgress } from '../../nodes/cli/progress.ts';
import { progressText } from '../../nodes/cli/registration-text.ts';
import { processTerminal } from '../../nodes/cli/terminal.ts';
import { loadConfig } from '../../nodes/load-config.ts';
import { packageRoot } from '../../nodes/package-root.ts';
import { startSystem } from '../../nodes/standalone.ts';
import { openMetadataStore } from '../../nodes/stores/open-metadata-store.ts';
import { familySchema } from '../../nodes/shared-schemas.ts';
import { silentLogger } from '../../runtime/log.ts';
import { compareWithDefaults, type Speedup } from './against-defaults.ts';
import { equalAccuracy, promisesOf, sourceOf, type ZooFindings, zooMarkdown } from './report.ts';
import { type ZooSource, zooSources } from './sources.ts';

const help = `Usage: npm run zoo:report [-- options]

Registers the bundled models, measures what becomes of them, writes the report.

  --data DIR    what is registered stays there; a run goes on where the last ended (.infaas/zoo)
  --out FILE    the report; charts beside it (docs/zoo.md)
  --only WORD   only architectures whose name contains it
  --as-is       registers nothing: reports what --data holds, unfinished families too
  --anew        forgets what --data holds first
  --json        what was promised and found, as one JSON document

Example: npm run zoo:report -- --only cnn --out /tmp/zoo.md
Exit code 1 when something promised was not found, 2 for wrong options.`;

const terminal = processTerminal();

function readOptions() {
  try {
    return parseArgs({
      options: {
        data: { type: 'string', default: join('.infaas', 'zoo') },
        out: { type: 'string', default: join(packageRoot(), 'docs', 'zoo.md') },
        only: { type: 'string', default: '' },
        'as-is': { type: 'boolean', default: false },
        anew: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    }).values;
  } catch (error) {
    terminal.err(`${error instanceof Error ? error.message : String(error)}\n\n${help}`);
    process.exit(2);
  }
}

async function main(): Promise<void> {
  const options = readOptions();
  if (options.help) {
    terminal.out(help);
    return;
  }
  const { data, out, only } = options;
  if (options.anew) rmSync(data, { recursive: true, force: true });
  const sources = (await zooSources()).filter(({ architecture }) => architecture.includes(only));
  if (!options['as-is']) await registerAll(sources, data);
  const names = new Set(sources.map(({ architecture }) => architecture));
  const families = (await familiesIn(data)).filter(({ architecture }) => names.has(architecture));
  const findings: ZooFindings = {
    families,
    speedups: await speedupsOf(families, join(data, 'against-defaults.json')),
    machine:
      `${cpus()[0]?.model.trim() ?? 'unknown CPU'}, ${String(cpus().length)} cores, ` +
      `onnxruntime-node ${env.versions.node ?? ''}, ${new Date().toISOString().slice(0, 10)}`,
    charts: drawCharts(families, out),
  };
  writeFileSync(out, zooMarkdown(findings));
  const promises = promisesOf(findings);
  const missed = promises.filter(({ holds }) => !holds);
  if (options.json) terminal.out(JSON.stringify({ report: out, promises }));
  else {
    for (const { what, found, holds } of promises) {
      terminal.out(`${holds ? 'holds ' : 'MISSED'} ${what}: ${found || 'none'}`);
    }
    terminal.out(`the report is in ${out}`);
  }
  if (missed.length > 0 && only === '') process.exitCode = 1;
}

async function registerAll(sources: readonly ZooSource[], dataDir: string): Promise<void> {
  const system = await startSystem({
    ...{ zoo: false, models: [], nats: 'embedded', workers: 1, port: 0, dataDir },
    logLevel: 'error',
  });
  try {
    const client = await connect(system.url);
    for (const [at, { architecture, manifest, files }] of sources.entries()) {
      const turn = `${String(at + 1)} of ${String(sources.length)}, ${architecture}`;
      const progress = startProgress(terminal, turn, { atOnce: true });
      const { variants, refused, totalMs, changed } = await client.register(
        { ...manifest },
        files,
        { onProgress: (told) => progress.update(`${turn}: ${progressText(told)}`) },
      );
      const time = changed ? ` in ${(totalMs / 1_000).toFixed(0)} s` : ', as before';
      const counts = `${String(variants.length)} variants, ${String(refused.length)} refused`;
      progress.done(`${turn}: ${counts}${time}`);
    }
    await client.close();
  } finally {
    await system.close();
  }
}

async function familiesIn(dataDir: string): Promise<readonly Family[]> {
  const store = await openMetadataStore({
    ...{ dataDir, config: loadConfig({ file: undefined, environment: {} }).store },
    ...{ connection: undefined, log: silentLogger },
  });
  try {
    return (await store.list('family/')).map(({ value }) => familySchema.parse(value));
  } finally {
    await store.close();
  }
}

/** Of variants as accurate as their source; what was compared before is kept in `file`. */
async function speedupsOf(
  families: readonly Family[],
  file: string,
): Promise<Record<string, readonly Speedup[]>> {
  const known = readKnown(file);
  const speedups: Record<string, readonly Speedup[]> = {};
  for (const family of families) {
    const source = sourceOf(family);
    for (const variant of family.variants) {
      if (variant === source) continue;
      if (Math.abs(variant.accuracy - source.accuracy) > equalAccuracy) continue;
      const key = `${source.file.sha256} ${variant.file.sha256}`;
      const batches = [1, 8].filter((batch) => batch <= variant.batchMax);
      known[key] ??= await compareWithDefaults(source, variant, batches);
      speedups[variant.id] = known[key];
      writeFileSync(file, JSON.stringify(known));
    }
  }
  return speedups;
}

function readKnown(file: string): Record<string, readonly Speedup[]> {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Record<string, readonly Speedup[]>;
  } catch {
    return {};
  }
}

function drawCharts(families: readonly Family[], out: string): ZooFindings['charts'] {
  mkdirSync(dirname(out), { recursive: true });
  const tasks = [...new Set(families.map((family) => sourceOf(family).task))];
  return tasks.map((task) => {
    const variants = families
      .flatMap((family) => family.variants)
      .filter((variant) => variant.task === task);
    const file = `zoo-${task}.svg`;
    const rows = variants.map((variant) => describeVariant(variant, 'inactive', 0));
    writeFileSync(join(dirname(out), file), accuracyChart(task, rows));
    return { title: task, file };
  });
}

await main();
