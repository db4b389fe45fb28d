/** `infaas demo`: a whole system in one command, asked real queries at several SLOs. */

import { Option } from 'commander';

import { type AddCommand, type Cli, examples, printJson } from '../cli.ts';
import { addJsonOption } from '../client-options.ts';
import type { DemoOutcome } from '../demo/run-demo.ts';
import { parseBus, parseCount, parseSeed } from '../option-values.ts';
import { startProgress } from '../progress.ts';
import { listeningOf } from '../server-options.ts';
import { listenForStop } from '../signals.ts';

interface DemoOptions {
  readonly seed: number;
  readonly digits?: string;
  readonly queries?: number;
  readonly nats: string;
  readonly json?: boolean;
}

export const addDemoCommand: AddCommand = (program, cli) => {
  const command = program
    .command('demo')
    .summary('see it work: real queries at several SLOs')
    .description(
      'Starts a system with the bundled models on a free port and asks it, over the WebSocket, ' +
        'handwritten digits at several SLOs and a stream of speech. Prints who answered, how ' +
        'fast and how right; the last line is a JSON summary. Ends within a minute.',
    )
    .addOption(
      new Option('--seed <n>', 'which held-out digits are drawn').default(1).argParser(parseSeed),
    )
    .option('--digits <dir>', 'PNG files instead, labelled by name: DIR/7/a.png or DIR/a_7.png')
    .option('--queries <n>', 'digit queries in all (default: 100 at each SLO)', parseCount)
    .addOption(
      new Option('--nats <bus>', 'auto, embedded (in-process), or a NATS URL')
        .default('embedded')
        .argParser(parseBus),
    );
  addJsonOption(command)
    .addHelpText('after', examples('infaas demo', 'infaas demo --seed 7 --queries 500 --json'))
    .action((options: DemoOptions) => runCommand(cli, options));
};

async function runCommand(cli: Cli, options: DemoOptions): Promise<void> {
  const { terminal } = cli;
  const { token } = await listeningOf({ logLevel: 'error' }, terminal.environment);
  const progress = startProgress(terminal, 'demo: starting a system with the bundled models', {
    atOnce: true,
  });
  const signals = listenForStop(() => {
    terminal.err('stopping the demo; once more to leave at once');
  });
  let outcome: DemoOutcome;
  try {
    const { runDemo } = await import('../demo/run-demo.ts');
    outcome = await runDemo(
      {
        ...{ seed: options.seed, digitsDir: options.digits, queries: options.queries },
        ...{ nats: options.nats, token },
      },
      progress,
      signals.stop,
    );
  } finally {
    progress.done();
    signals.release();
    terminal.leaveEvenIfHeld();
  }
  await report(cli, options, outcome);
}

/** Exit code 1 when anything was left without an answer. */
async function report(cli: Cli, options: DemoOptions, outcome: DemoOutcome): Promise<void> {
  const { terminal } = cli;
  const { describeExamples, describeRows, describeSpeech, summarise } =
    await import('../demo/report.ts');
  const { rows, speech } = outcome;
  const summary = summarise(rows, speech, options.seed);
  if (options.json !== true) {
    const source =
      options.digits === undefined
        ? `held-out digits, seed ${String(options.seed)}`
        : `digits of ${options.digits}`;
    terminal.out(
      [
        `${String(outcome.variants)} variants registered; the bus is ${outcome.busDescription}.`,
        `Asked over the WebSocket: ${source}. One query at each SLO went before, not counted,`,
        'to load the variant that serves it. Latency is from sending to the answer, on this side.',
        '',
        describeRows(rows, terminal),
        '',
        describeExamples(rows),
        '',
        describeSpeech(speech),
        '',
      ].join('\n'),
    );
  }
  if (outcome.shortened) terminal.err('fewer queries than wanted were asked, to end in time');
  printJson(terminal, summary);
  const error = rows.find((row) => row.firstError !== undefined)?.firstError ?? speech.firstError;
  if (error === undefined) return;
  terminal.err(`not every query was answered; the first refusal: ${error}`);
  cli.exitCode = 1;
}
