/**
 * `infaas tasks`, `architectures`, `variants`, `workers`, `instances`: what is there, as tables.
 */

import { writeFileSync } from 'node:fs';

import type { Command } from 'commander';

import type {
  ArchitectureDescription,
  InstanceDescription,
  TaskDescription,
  VariantDescription,
  WorkerDescription,
} from '../../../actors/domain/fleet-description.ts';
import { nearestName } from '../../../actors/domain/nearest-name.ts';
import { type AddCommand, type Cli, examples, printJson } from '../cli.ts';
import { addConnectionOptions, addJsonOption, chooseSystem } from '../client-options.ts';
import { CommandFailed, UsageError } from '../errors.ts';
import {
  formatBytes,
  formatMs,
  formatPercent,
  formatQps,
  formatRange,
  formatTensor,
  formatUsd,
} from '../format.ts';
import type { FleetFilters, System } from '../system.ts';
import { type Column, formatTable } from '../table.ts';

interface VariantOptions extends FleetFilters {
  readonly chart?: string;
}

interface Listing<Row> {
  /** The key of the rows in `--json`. */
  readonly key: 'tasks' | 'architectures' | 'variants' | 'workers' | 'instances';
  readonly columns: readonly Column[];
  /** Order of the table; the JSON keeps the system's. */
  readonly compare?: (a: Row, b: Row) => number;
  readonly cells: (row: Row) => readonly (readonly string[])[];
  readonly whenEmpty: string;
}

const right = 'right' as const;

const taskListing: Listing<TaskDescription> = {
  key: 'tasks',
  columns: [
    { title: 'TASK', help: 'what to give to --task' },
    { title: 'DATASET', help: 'what its architectures were trained for; to give to --dataset' },
    { title: 'ACCURACY %', align: right, help: 'from the least to the most accurate variant' },
    { title: 'ARCHITECTURES', help: 'models that can do it' },
    {
      title: 'INPUTS',
      help: 'name, datatype, shape; −1 is variable, the first one mostly the batch',
    },
    { title: 'OUTPUTS' },
  ],
  cells: (task) =>
    task.datasets.map((dataset) => [
      task.name,
      dataset.name,
      formatRange(dataset.accuracyMin, dataset.accuracyMax),
      dataset.architectures.join(', '),
      task.inputs.map(formatTensor).join('; '),
      task.outputs.map(formatTensor).join('; '),
    ]),
  whenEmpty: 'no task: nothing is registered; `infaas up --zoo` starts with the bundled models',
};

const architectureListing: Listing<ArchitectureDescription> = {
  key: 'architectures',
  compare: (a, b) => compareText(a.task, b.task) || a.accuracyMin - b.accuracyMin,
  columns: [
    { title: 'ARCHITECTURE', help: 'what to give to --architecture' },
    { title: 'TASK' },
    { title: 'DATASET' },
    { title: 'ACCURACY %', align: right, help: 'from the least to the most accurate variant' },
    { title: 'VARIANTS', help: 'what to give to --variant' },
    {
      title: 'INPUTS',
      help: 'name, datatype, shape; −1 is variable; state is what a client carries',
    },
    { title: 'OUTPUTS' },
  ],
  cells: (row) => [
    [
      row.name,
      row.task,
      row.dataset,
      formatRange(row.accuracyMin, row.accuracyMax),
      row.variants.join(', '),
      row.inputs.map(formatTensor).join('; '),
      row.outputs.map(formatTensor).join('; '),
    ],
  ],
  whenEmpty: 'no architecture; `infaas tasks` lists what is registered',
};

const variantListing: Listing<VariantDescription> = {
  key: 'variants',
  compare: (a, b) => compareText(a.task, b.task) || a.accuracy - b.accuracy,
  columns: [
    { title: 'VARIANT', help: 'what to give to --variant' },
    { title: 'ARCHITECTURE' },
    { title: 'ACCURACY %', align: right },
    { title: 'PRECISION' },
    { title: 'HARDWARE' },
    {
      title: 'LATENCY MS (BATCH)',
      help: 'time to run the smallest, a middle and the largest batch',
    },
    { title: 'LOAD MS', align: right, help: 'time to load it on a worker' },
    { title: 'MEMORY', align: right, help: 'what an instance of it takes' },
    { title: 'USD/1000', align: right, help: 'US dollars for 1,000 queries' },
    { title: 'STATE', help: 'of its best instance; ×n says of how many' },
  ],
  cells: (row) => [
    [
      row.name,
      row.architecture,
      formatPercent(row.accuracy),
      row.precision,
      row.hardware,
      latencyText(row),
      formatMs(row.loadMs),
      formatBytes(row.memoryBytes),
      formatUsd(row.costUsdPer1000),
      row.instances > 1 ? `${row.state} ×${String(row.instances)}` : row.state,
    ],
  ],
  whenEmpty: 'no variant; `infaas tasks` lists what is registered',
};

function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

/** The least batch, a middle one, the largest: `0.045 (1), 0.236 (8), 1.67 (64)`. */
function latencyText({ latencyMs }: VariantDescription): string {
  const middle = latencyMs[Math.floor((latencyMs.length - 1) / 2)];
  const points = new Set([latencyMs[0], middle, latencyMs.at(-1)]);
  return [...points]
    .map((point) => (point === undefined ? '–' : `${formatMs(point.ms)} (${String(point.batch)})`))
    .join(', ');
}

const workerListing: Listing<WorkerDescription> = {
  key: 'workers',
  columns: [
    { title: 'WORKER' },
    { title: 'HARDWARE', help: 'processors that it owns' },
    { title: 'UTILISATION', align: right, help: 'share of their time spent on queries' },
    {
      title: 'MEMORY',
      align: right,
      help: 'used of owned; 200 MiB are used before anything is loaded',
    },
    { title: 'INSTANCES', align: right, help: 'variants loaded, copies counted' },
    { title: 'EPOCH', align: right, help: 'which life of a worker of that name this is' },
  ],
  cells: (row) => {
    const memoryBytes = row.hardware.reduce((sum, one) => sum + one.memoryBytes, 0);
    return [
      [
        row.name,
        row.hardware.map(({ units, kind }) => `${String(units)} × ${kind}`).join(', '),
        `${formatPercent(100 * row.utilisation)} %`,
        `${formatBytes(row.memoryUsedBytes)} of ${formatBytes(memoryBytes)}`,
        String(row.instances),
        String(row.epoch),
      ],
    ];
  },
  whenEmpty: 'no worker has joined; start one with `infaas worker --nats URL`',
};

const instanceListing: Listing<InstanceDescription> = {
  key: 'instances',
  columns: [
    { title: 'INSTANCE', help: 'one loaded copy of a variant' },
    { title: 'VARIANT' },
    { title: 'WORKER' },
    {
      title: 'STATE',
      help: 'active serves; overloaded has too much to do; interfered is slowed by others',
    },
    { title: 'QPS', align: right, help: 'queries per second over the last window' },
    { title: 'QUEUED', align: right, help: 'queries that wait there' },
    { title: 'BACKLOG MS', align: right, help: 'time that they and what runs will take' },
    { title: 'SLOWDOWN', align: right, help: 'time to run a batch, over what the profile says' },
    { title: 'SERVED', align: right, help: 'queries answered since it was loaded' },
  ],
  cells: (row) => [
    [
      row.name,
      row.variant,
      row.worker,
      row.state,
      formatQps(row.rateQps),
      String(row.queued),
      formatMs(row.backlogMs),
      row.slowdown.toFixed(2),
      String(row.served),
    ],
  ],
  whenEmpty: 'nothing is loaded; variants are loaded when queries ask for them',
};

async function list<Row>(
  cli: Cli,
  command: Command,
  listing: Listing<Row>,
  ask: (system: System) => Promise<readonly Row[]>,
): Promise<void> {
  const chosen = chooseSystem(command);
  const { withSystem } = await import('../connection.ts');
  const rows = await withSystem(cli.terminal, chosen, ask);
  if (command.opts<{ json?: boolean }>().json === true) {
    printJson(cli.terminal, { [listing.key]: rows });
  } else if (rows.length === 0) {
    cli.terminal.out(listing.whenEmpty);
  } else {
    const sorted = listing.compare === undefined ? rows : [...rows].sort(listing.compare);
    cli.terminal.out(formatTable(listing.columns, sorted.flatMap(listing.cells), cli.terminal));
  }
}

function listingCommand<Row>(
  program: Command,
  { key, columns }: Listing<Row>,
  summary: string,
): Command {
  const command = program.command(key).description(summary);
  return addJsonOption(addConnectionOptions(command)).addHelpText('after', columnsHelp(columns));
}

function columnsHelp(columns: readonly Column[]): string {
  const width = Math.max(...columns.map(({ title }) => title.length));
  const lines = columns.flatMap(({ title, help }) =>
    help === undefined ? [] : [`  ${title.padEnd(width)}  ${help}`],
  );
  return ['', 'Columns:', ...lines].join('\n');
}

export const addTasksCommand: AddCommand = (program, cli) => {
  listingCommand(program, taskListing, 'list the tasks that can be asked for')
    .addHelpText('after', examples('infaas tasks'))
    .action((_options: unknown, command: Command) =>
      list(cli, command, taskListing, (system) => system.tasks()),
    );
};

export const addArchitecturesCommand: AddCommand = (program, cli) => {
  listingCommand(program, architectureListing, 'list the registered architectures')
    .option('--task <task>', 'only those of this task')
    .option('--dataset <dataset>', 'only those of this dataset')
    .addHelpText('after', examples('infaas architectures --task digit-classification'))
    .action((options: FleetFilters, command: Command) =>
      list(cli, command, architectureListing, async (system) => {
        const architectures = await system.architectures(filtersOf(options));
        if (architectures.length === 0) await refuseUnknownFilter(system, options);
        return architectures;
      }),
    );
};

export const addVariantsCommand: AddCommand = (program, cli) => {
  listingCommand(program, variantListing, 'list variants: accuracy, latency, memory, cost, state')
    .argument('[architecture]', 'only those of this architecture')
    .option('--task <task>', 'only those of this task')
    .option('--dataset <dataset>', 'only those of this dataset')
    .option('--chart <file.svg>', 'draw accuracy against latency, with the Pareto front')
    .addHelpText(
      'after',
      examples(
        'infaas variants',
        'infaas variants cnn-small --json',
        'infaas variants --task digit-classification --chart digits.svg',
      ),
    )
    .action((architecture: string | undefined, options: VariantOptions, command: Command) =>
      list(cli, command, variantListing, async (system) => {
        const named = architecture === undefined ? {} : { architecture };
        const variants = await system.variants({ ...filtersOf(options), ...named });
        if (variants.length === 0) await refuseUnknownFilter(system, options);
        if (architecture !== undefined && variants.length === 0) {
          const known = (await system.architectures()).map(({ name }) => name);
          throw unknownName('architecture', architecture, known);
        }
        if (options.chart !== undefined) await drawChart(cli, options.chart, variants);
        return variants;
      }),
    );
};

export const addWorkersCommand: AddCommand = (program, cli) => {
  listingCommand(program, workerListing, 'list the workers: hardware, utilisation, memory')
    .addHelpText('after', examples('infaas workers'))
    .action((_options: unknown, command: Command) =>
      list(cli, command, workerListing, (system) => system.workers()),
    );
};

export const addInstancesCommand: AddCommand = (program, cli) => {
  listingCommand(program, instanceListing, 'list the loaded variants: where, state, load')
    .addHelpText('after', examples('infaas instances'))
    .action((_options: unknown, command: Command) =>
      list(cli, command, instanceListing, (system) => system.instances()),
    );
};

/** Of one task only: accuracies of different tasks are no matter of more or less. */
async function drawChart(
  cli: Cli,
  file: string,
  variants: readonly VariantDescription[],
): Promise<void> {
  const tasks = new Set(variants.map(({ task, dataset }) => `${task}, ${dataset}`));
  const [title] = tasks;
  if (title === undefined || tasks.size > 1) {
    const known = [...tasks].join('; ') || 'none';
    throw new UsageError(`--chart draws one task and dataset: give --task; there are ${known}`);
  }
  const { accuracyChart } = await import('../accuracy-chart.ts');
  writeFileSync(file, accuracyChart(title, variants));
  cli.terminal.err(`the chart is in ${file}`);
}

/** Nothing was found: because there is nothing, or because of a name that is none. */
async function refuseUnknownFilter(system: System, { task, dataset }: FleetFilters): Promise<void> {
  const tasks = await system.tasks();
  const named = task === undefined ? tasks : tasks.filter(({ name }) => name === task);
  if (task !== undefined && named.length === 0) {
    throw unknownName(
      'task',
      task,
      tasks.map(({ name }) => name),
    );
  }
  const datasets = named.flatMap((one) => one.datasets.map(({ name }) => name));
  if (dataset !== undefined) throw unknownName('dataset', dataset, datasets);
}

function unknownName(
  kind: 'architecture' | 'task' | 'dataset',
  name: string,
  known: readonly string[],
): CommandFailed {
  const nearest = nearestName(name, known);
  const meant = nearest === undefined ? '' : `did you mean ${nearest}? `;
  const names = [...known].sort().join(', ') || 'none';
  return new CommandFailed(
    `there is no ${kind} "${name}"; ${meant}known: ${names}`,
    `unknown_${kind}`,
  );
}

function filtersOf({ task, dataset }: FleetFilters): FleetFilters {
  return {
    ...(task === undefined ? {} : { task }),
    ...(dataset === undefined ? {} : { dataset }),
  };
}
