/** `infaas offline`: jobs of many inputs that run when online queries leave room. */

import { resolve } from 'node:path';

import { type Command, Option } from 'commander';

import type { JobDescription } from '../../../actors/domain/offline-job.ts';
import { type AddCommand, type Cli, examples, printJson } from '../cli.ts';
import {
  addConnectionOptions,
  addJsonOption,
  chooseSystem,
  selectorOf,
  type SelectorOptions,
  sloOf,
} from '../client-options.ts';
import { CommandFailed, UsageError } from '../errors.ts';
import { collect, parsePercent, parsePositive } from '../option-values.ts';
import { startProgress } from '../progress.ts';
import type { System } from '../system.ts';
import { type Column, formatTable } from '../table.ts';

interface SubmitOptions extends SelectorOptions {
  readonly input?: string;
  readonly output?: string;
  readonly only?: readonly string[];
  readonly wait?: boolean;
  readonly json?: boolean;
}

interface JsonOption {
  readonly json?: boolean;
}

export const addOfflineCommand: AddCommand = (program, cli) => {
  const offline = program
    .command('offline')
    .summary('jobs of many inputs, run when there is room')
    .description(
      'Offline jobs: many inputs of one question, answered while online queries leave room. ' +
        'Inputs and results lie on the machine of the controller. Jobs survive restarts; results ' +
        'are in OUTPUT/results.jsonl, a line an item, in the order of the items. ' +
        'Every command has --help and --json.',
    );
  offline.addHelpText('after', examples('infaas offline submit --help', 'infaas offline list'));
  addSubmit(offline, cli);
  addStatus(offline, cli);
  addList(offline, cli);
  addCancel(offline, cli);
};

function addSubmit(offline: Command, cli: Cli): void {
  const command = offline
    .command('submit')
    .description('Submits a job. Exits when it would survive a crash, or with --wait when it ends.')
    .option('--input <path>', 'a file of JSON lines, or a folder of .json, .npy and .png files')
    .option('--output <folder>', 'where results.jsonl is written; made if it is not there')
    .option('--task <task>', 'what to do; the system picks architecture and variant')
    .option('--dataset <dataset>', 'the data the answers are about, where a task has several')
    .option('--architecture <name>', 'one architecture; the system picks the variant')
    .option('--variant <name>', 'exactly this variant')
    .option('--accuracy <percent>', 'at least this accurate', parsePercent)
    .option('--cost <usd>', 'at most so many US dollars for 1,000 queries', parsePositive)
    .addOption(
      new Option('--only <output>', 'only this output; may be repeated').argParser(collect),
    )
    .option('--wait', 'show progress until the job has ended');
  addJsonOption(addConnectionOptions(command))
    .addHelpText(
      'after',
      examples(
        'infaas offline submit --task digit-classification --dataset mnist --accuracy 98 \\',
        '  --input digits.jsonl --output digits-classified --wait',
      ),
    )
    .action((options: SubmitOptions, invoked: Command) => runSubmit(cli, options, invoked));
}

async function runSubmit(cli: Cli, options: SubmitOptions, command: Command): Promise<void> {
  const { input, output, only } = options;
  const selector = selectorOf(options);
  if (input === undefined || output === undefined) {
    throw new UsageError('say where inputs are and results go: --input PATH --output FOLDER');
  }
  const chosen = chooseSystem(command);
  const { connectToSystem } = await import('../connection.ts');
  const system = await connectToSystem(chosen);
  let job: JobDescription;
  try {
    job = await system.submitOffline({
      ...selector,
      slo: sloOf(options),
      // As they are called here: the same machine, or the same folders.
      ...{ input: resolve(input), output: resolve(output) },
      ...(only === undefined ? {} : { outputs: only }),
    });
    if (options.wait === true) job = await waitFor(cli, system, job);
  } finally {
    await system.close();
  }
  report(cli, job, options);
  if (job.state !== 'open' && job.state !== 'done') {
    throw new CommandFailed(`${job.id} ${job.state}: ${job.why ?? 'by somebody'}`, 'job_failed');
  }
}

const askEveryMs = 500;

async function waitFor(cli: Cli, system: System, job: JobDescription): Promise<JobDescription> {
  const progress = startProgress(cli.terminal, progressText(job), { atOnce: true });
  try {
    let latest = job;
    while (latest.state === 'open') {
      await new Promise((done) => setTimeout(done, askEveryMs));
      latest = await system.offlineStatus(job.id);
      progress.update(progressText(latest));
    }
    return latest;
  } finally {
    progress.done();
  }
}

function progressText({ id, written, items, why }: JobDescription): string {
  const waits = why === undefined ? '' : ` (waits: ${why})`;
  return `${id}: ${String(written)} of ${String(items)} items${waits}`;
}

function addStatus(offline: Command, cli: Cli): void {
  const command = offline
    .command('status')
    .argument('[job]', 'as `submit` named it; all jobs without')
    .description('How far a job is, and why it waits.');
  addJsonOption(addConnectionOptions(command))
    .addHelpText('after', examples('infaas offline status job-3', 'infaas offline status --json'))
    .action(async (jobId: string | undefined, options: JsonOption, invoked: Command) => {
      if (jobId === undefined) {
        await runList(cli, options, invoked);
        return;
      }
      const job = await withSystem(cli, invoked, (system) => system.offlineStatus(jobId));
      report(cli, job, options);
    });
}

function addList(offline: Command, cli: Cli): void {
  const command = offline.command('list').description('All jobs, ended ones too.');
  addJsonOption(addConnectionOptions(command))
    .addHelpText('after', examples('infaas offline list'))
    .action((options: JsonOption, invoked: Command) => runList(cli, options, invoked));
}

function addCancel(offline: Command, cli: Cli): void {
  const command = offline
    .command('cancel')
    .argument('<job>', 'as `submit` named it')
    .description('Ends a job; what was written stays.');
  addJsonOption(addConnectionOptions(command))
    .addHelpText('after', examples('infaas offline cancel job-3'))
    .action(async (jobId: string, options: JsonOption, invoked: Command) => {
      const job = await withSystem(cli, invoked, (system) => system.cancelOffline(jobId));
      report(cli, job, options);
    });
}

const columns: readonly Column[] = [
  { title: 'JOB' },
  { title: 'STATE' },
  { title: 'WRITTEN', align: 'right' },
  { title: 'ITEMS', align: 'right' },
  { title: 'FAILED', align: 'right' },
  { title: 'OUTPUT' },
  { title: 'WHY' },
];

async function runList(cli: Cli, options: JsonOption, command: Command): Promise<void> {
  const jobs = await withSystem(cli, command, (system) => system.offlineJobs());
  if (options.json === true) printJson(cli.terminal, { jobs });
  else if (jobs.length === 0) cli.terminal.out('there are no offline jobs');
  else cli.terminal.out(formatTable(columns, jobs.map(cellsOf), cli.terminal));
}

function cellsOf(job: JobDescription): readonly string[] {
  const { id, state, written, items, failed, output, why = '' } = job;
  return [id, state, String(written), String(items), String(failed), output, why];
}

function report(cli: Cli, job: JobDescription, options: JsonOption): void {
  if (options.json === true) {
    printJson(cli.terminal, { job });
    return;
  }
  const { id, state, written, items, failed, running, output, why } = job;
  const rest = failed === 0 ? '' : `, ${String(failed)} of them without an answer`;
  cli.terminal.out(`${id}: ${state}, ${String(written)} of ${String(items)} items written${rest}`);
  if (state === 'open') cli.terminal.out(`  in flight: ${String(running)}`);
  if (why !== undefined) cli.terminal.out(`  why: ${why}`);
  cli.terminal.out(`  results: ${output}/results.jsonl`);
}

async function withSystem<T>(
  cli: Cli,
  command: Command,
  use: (system: System) => Promise<T>,
): Promise<T> {
  const chosen = chooseSystem(command);
  const connection = await import('../connection.ts');
  return connection.withSystem(cli.terminal, chosen, use);
}
