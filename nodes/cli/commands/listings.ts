/**
 * `infaas tasks`, `architectures`, `variants`, `workers`, `instances`: what is there, as tables.
 */

import type { Command } from 'commander';

import type {
  ArchitectureDescription,
  InstanceDescription,
  TaskDescription,
  VariantDescription,
  WorkerDescription,
} from '../../../actors/domain/fleet-description.ts';
import { type AddCommand, type Cli, examples, printJson } from '../cli.ts';
import { addConnectionOptions, addJsonOption, chooseSystem } from '../client-options.ts';
import { CommandFailed } from '../errors.ts';
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
    { title: 'TASK' },
    { title: 'DATASET' },
    { title: 'ACCURACY %', align: right },
    { title: 'ARCHITECTURES' },
    { title: 'INPUTS' },
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
    { title: 'ARCHITECTURE' },
    { title: 'TASK' },
    { title: 'DATASET' },
    { title: 'ACCURACY %', align: right },
    { title: 'VARIANTS' },
    { title: 'INPUTS' },
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
    { title: 'VARIANT' },
    { title: 'ARCHITECTURE' },
    { title: 'ACCURACY %', align: right },
    { title: 'PRECISION' },
    { title: 'HARDWARE' },
    { title: 'LATENCY MS (BATCH)' },
    { title: 'LOAD MS', align: right },
    { title: 'MEMORY', align: right },
    { title: 'USD/1000', align: right },
    { title: 'STATE' },
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
    { title: 'HARDWARE' },
    { title: 'UTILISATION', align: right },
    { title: 'MEMORY', align: right },
    { title: 'INSTANCES', align: right },
    { title: 'EPOCH', align: right },
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
    { title: 'INSTANCE' },
    { title: 'VARIANT' },
    { title: 'WORKER' },
    { title: 'STATE' },
    { title: 'QPS', align: right },
    { title: 'QUEUED', align: right },
    { title: 'BACKLOG MS', align: right },
    { title: 'SLOWDOWN', align: right },
    { title: 'SERVED', align: right },
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

function listingCommand(program: Command, name: string, summary: string): Command {
  const command = program.command(name).description(summary);
  return addJsonOption(addConnectionOptions(command));
}

export const addTasksCommand: AddCommand = (program, cli) => {
  listingCommand(program, 'tasks', 'list the tasks that can be asked for')
    .addHelpText('after', examples('infaas tasks'))
    .action((_options: unknown, command: Command) =>
      list(cli, command, taskListing, (system) => system.tasks()),
    );
};

export const addArchitecturesCommand: AddCommand = (program, cli) => {
  listingCommand(program, 'architectures', 'list the registered architectures')
    .option('--task <task>', 'only those of this task')
    .option('--dataset <dataset>', 'only those of this dataset')
    .addHelpText('after', examples('infaas architectures --task digit-classification'))
    .action((options: FleetFilters, command: Command) =>
      list(cli, command, architectureListing, (system) => system.architectures(filtersOf(options))),
    );
};

export const addVariantsCommand: AddCommand = (program, cli) => {
  listingCommand(program, 'variants', 'list variants: accuracy, latency, memory, cost, state')
    .argument('[architecture]', 'only those of this architecture')
    .addHelpText('after', examples('infaas variants', 'infaas variants cnn-small --json'))
    .action((architecture: string | undefined, _options: unknown, command: Command) =>
      list(cli, command, variantListing, async (system) => {
        const variants = await system.variants(architecture === undefined ? {} : { architecture });
        if (architecture !== undefined && variants.length === 0) {
          const known = (await system.architectures()).map(({ name }) => name).sort();
          throw new CommandFailed(
            `there is no architecture "${architecture}"; known: ${known.join(', ') || 'none'}`,
            'unknown_architecture',
          );
        }
        return variants;
      }),
    );
};

export const addWorkersCommand: AddCommand = (program, cli) => {
  listingCommand(program, 'workers', 'list the workers: hardware, utilisation, memory')
    .addHelpText('after', examples('infaas workers'))
    .action((_options: unknown, command: Command) =>
      list(cli, command, workerListing, (system) => system.workers()),
    );
};

export const addInstancesCommand: AddCommand = (program, cli) => {
  listingCommand(program, 'instances', 'list the loaded variants: where, state, load')
    .addHelpText('after', examples('infaas instances'))
    .action((_options: unknown, command: Command) =>
      list(cli, command, instanceListing, (system) => system.instances()),
    );
};

function filtersOf({ task, dataset }: FleetFilters): FleetFilters {
  return {
    ...(task === undefined ? {} : { task }),
    ...(dataset === undefined ? {} : { dataset }),
  };
}
