/** `infaas load`: open- or closed-loop load, then latency percentiles and SLO attainment. */

import { Option, type Command } from 'commander';

import { type AddCommand, examples } from '../cli.ts';
import {
  addConnectionOptions,
  addJsonOption,
  addSelectorOptions,
  chooseSystem,
  selectorOf,
} from '../client-options.ts';
import { UsageError } from '../errors.ts';
import type { LoadOptions, LoadPlan } from '../load/plan.ts';
import { collect, parseCount, parsePositive, parseSeed } from '../option-values.ts';

export const addLoadCommand: AddCommand = (program, cli) => {
  const command = program
    .command('load')
    .summary('put load on a system and measure it')
    .description(
      'Puts load on a system. Open loop (--rate, --trace): queries are sent when they are due, ' +
        'whatever comes back, and latency counts from when they were due. Closed loop ' +
        '(--concurrency): so many at a time, the next when one is answered.',
    );
  addSelectorOptions(command);
  command
    .option('--rate <qps>', 'open loop: queries per second', parsePositive)
    .option('--concurrency <n>', 'closed loop: queries in flight', parseCount)
    .option('--trace <file>', 'open loop: one rate (queries per second) a line')
    .addOption(
      new Option('--step <s>', 'how long each line of the trace lasts')
        .default(1)
        .argParser(parsePositive),
    )
    .addOption(
      new Option('--scale <factor>', 'multiplies the rates of the trace')
        .default(1)
        .argParser(parsePositive),
    )
    .option('--duration <s>', 'seconds (default: 10, or all of the trace)', parsePositive)
    .addOption(
      new Option('--arrivals <kind>', 'of an open loop')
        .choices(['poisson', 'constant'])
        .default('poisson'),
    )
    .option('--input <file>', 'as for query; the rows of a batch are sent in turn', collect)
    .addOption(
      new Option('--seed <n>', 'of arrivals and random inputs').default(1).argParser(parseSeed),
    )
    .addOption(
      new Option('--connections <n>', 'connections to spread over')
        .default(1)
        .argParser(parseCount),
    )
    .addOption(
      new Option('--in-flight <n>', 'most queries in flight; more count as not_sent')
        .default(10_000)
        .argParser(parseCount),
    );
  addJsonOption(addConnectionOptions(command))
    .addHelpText(
      'after',
      examples(
        'infaas load --task digit-classification --dataset mnist --accuracy 98 --latency 20 \\',
        '  --rate 200 --duration 30',
        'infaas load --variant mlp-fp32 --concurrency 8 --json',
      ),
    )
    .action(async (options: LoadOptions, invoked: Command) => {
      if (!hasSelector(options) && !hasMode(options)) throw new UsageError(whatToGive);
      const selector = selectorOf(options);
      const chosen = chooseSystem(invoked);
      checkMode(options);
      const plan = await planOf(options);
      const { runLoad } = await import('../load/run-load.ts');
      await runLoad(cli, { chosen, selector, options, plan });
    });
};

const whatToGive =
  'say what to ask and how much: infaas load --task T (or --architecture A, or --variant V) ' +
  '--rate QPS (or --concurrency N, or --trace FILE); `infaas tasks` lists the tasks';

function hasSelector({ task, architecture, variant }: LoadOptions): boolean {
  return task !== undefined || architecture !== undefined || variant !== undefined;
}

function hasMode({ rate, concurrency, trace }: LoadOptions): boolean {
  return rate !== undefined || concurrency !== undefined || trace !== undefined;
}

/** Exactly one way to send; options of another way would be ignored, so they are refused. */
function checkMode(options: LoadOptions): void {
  const modes = [
    ...(options.rate === undefined ? [] : ['--rate']),
    ...(options.concurrency === undefined ? [] : ['--concurrency']),
    ...(options.trace === undefined ? [] : ['--trace']),
  ];
  if (modes.length === 0) {
    throw new UsageError('say how much: --rate QPS, --concurrency N or --trace FILE');
  }
  if (modes.length > 1) throw new UsageError(`${modes.join(' and ')} exclude each other`);
  if (options.trace === undefined && (options.scale !== 1 || options.step !== 1)) {
    throw new UsageError('--scale and --step go with --trace');
  }
}

const defaultDurationS = 10;

async function planOf(options: LoadOptions): Promise<LoadPlan> {
  const { rate, concurrency, trace, arrivals } = options;
  const durationMs = 1000 * (options.duration ?? defaultDurationS);
  if (concurrency !== undefined) return { mode: 'closed', concurrency, durationMs };
  if (rate !== undefined) {
    return { mode: 'open', arrivals, segments: [{ rateQps: rate, forMs: durationMs }] };
  }
  const { readTrace } = await import('../load/rates.ts');
  const segments = readTrace(trace ?? '', {
    stepMs: 1000 * options.step,
    scale: options.scale,
    durationMs: options.duration === undefined ? Infinity : durationMs,
  });
  return { mode: 'open', arrivals, segments };
}
