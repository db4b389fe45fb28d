/** `infaas up`: a whole system on this machine. */

import { join, relative } from 'node:path';

import { Option } from 'commander';

import { messageOf } from '../../../runtime/errors.ts';
import { type AddCommand, commandName, examples, printJson } from '../cli.ts';
import { addJsonOption, defaultUrl } from '../client-options.ts';
import { UsageError } from '../errors.ts';
import { addManifestFlags, manifestFlagsOf } from '../manifest-flags.ts';
import type { RegisterFlags } from '../model-files.ts';
import { parseBus, parseCount } from '../option-values.ts';
import {
  addListenOptions,
  addModelOptions,
  addNodeOptions,
  addSliceOptions,
  type ListenOptions,
  listeningOf,
  type ModelOptions,
  type NodeOptions,
  type SliceOptions,
  rootSettingsOf,
} from '../server-options.ts';
import { stay } from '../stay.ts';
import type { Terminal } from '../terminal.ts';
import { packageRoot } from '../../package-root.ts';
import type { RunningSystem } from '../../standalone.ts';

interface UpOptions extends ListenOptions, NodeOptions, ModelOptions, SliceOptions, RegisterFlags {
  readonly nats: string;
  readonly workers: number;
  readonly workersMax?: number;
  readonly json?: boolean;
}

export const addUpCommand: AddCommand = (program, cli) => {
  const command = program
    .command('up')
    .summary('start a whole system on this machine')
    .description(
      'Starts a whole system on this machine: controller, workers and gateways. ' +
        'Stays until Ctrl-C, then answers what is in flight and ends.',
    );
  addModelOptions(command, 'or an ONNX file with the options below');
  addManifestFlags(command);
  addListenOptions(command);
  command
    .addOption(
      new Option(
        '--nats <bus>',
        'auto (NATS_URL, else a nats-server on the PATH, else in-process), embedded, or a URL',
      )
        .env('INFAAS_NATS')
        .default('auto')
        .argParser(parseBus),
    )
    .addOption(
      new Option('--workers <n>', 'worker processes; more than one needs NATS')
        .env('INFAAS_WORKERS')
        .default(1)
        .argParser(parseCount),
    )
    .addOption(
      new Option('--workers-max <n>', 'workers to grow to under load; needs NATS')
        .env('INFAAS_WORKERS_MAX')
        .argParser(parseCount),
    );
  addSliceOptions(command);
  addNodeOptions(command);
  addJsonOption(command)
    .addHelpText(
      'after',
      examples(
        'infaas up --zoo',
        'infaas up --zoo --workers 2 --port 9000',
        'infaas up --model cnn.onnx --task digit-classification --dataset mnist \\',
        '  --architecture my-cnn',
      ),
    )
    .action(async (options: UpOptions) => {
      refuseProcessesWithoutNats(options);
      const { registerGiven, sortModels } = await import('../given-models.ts');
      const given = sortModels(options.model ?? [], manifestFlagsOf(options));
      const listening = await listeningOf(options, cli.terminal.environment);
      await stay(cli, {
        what: 'system',
        start: async () => {
          const { startSystem } = await import('../../standalone.ts');
          return startSystem({
            ...listening,
            ...{ zoo: options.zoo === true, models: given.readyMade },
            ...{ nats: options.nats, workers: options.workers, dataDir: options.data },
            workersMax: options.workersMax,
            ...{ cores: options.cores, memory: options.memory },
            ...rootSettingsOf(options),
          });
        },
        started: (system) => {
          if (options.json === true) printJson(cli.terminal, summaryOf(system));
          else printStarted(cli.terminal, system, given.toRegister.length > 0);
          void registerGiven(cli, given, system.url, listening.token).catch((error: unknown) => {
            cli.terminal.err(messageOf(error));
          });
        },
      });
    });
};

function refuseProcessesWithoutNats({ nats, workers, workersMax = workers }: UpOptions): void {
  if (workersMax < workers) {
    throw new UsageError(
      `--workers-max ${String(workersMax)} is less than --workers ${String(workers)}`,
    );
  }
  if (nats !== 'embedded' || workersMax === 1) return;
  const option = workers > 1 ? '--workers' : '--workers-max';
  throw new UsageError(
    `${option} ${String(workersMax)} means processes, which need NATS: leave out --nats embedded`,
  );
}

function summaryOf(system: RunningSystem): object {
  return {
    url: system.url,
    httpUrl: system.httpUrl,
    natsUrl: system.natsUrl ?? null,
    bus: system.busDescription,
    variants: system.variants,
  };
}

function printStarted(terminal: Terminal, system: RunningSystem, more: boolean): void {
  terminal.out(
    [
      `infaas is up; ${String(system.variants)} variants given; bus: ${system.busDescription}`,
      `  WebSocket  ${system.url}/v1/ws`,
      `  HTTP       ${system.httpUrl}`,
      ...(system.natsUrl === undefined ? [] : [`  NATS       ${system.natsUrl}`]),
      ...(more ? [] : nextLines(terminal, system)),
      'Ctrl-C stops it.',
    ].join('\n'),
  );
}

/** Lines that work as they stand: the digits come with the package. */
function nextLines(terminal: Terminal, system: RunningSystem): string[] {
  const infaas = commandName(terminal);
  const at = system.url === defaultUrl ? '' : ` --url ${system.url}`;
  if (system.variants === 0) {
    return [
      'Without --zoo or --model it serves what its store holds from earlier. To see what that is:',
      `  ${infaas} tasks${at}`,
    ];
  }
  const digits = join(packageRoot(), 'zoo', 'digit-classification', 'heldout-images.npy');
  const near = relative(process.cwd(), digits);
  return [
    'Next, in another terminal:',
    `  ${infaas} tasks${at}`,
    `  ${infaas} query --task digit-classification --dataset mnist --accuracy 98 --latency 20 \\`,
    `    --input ${near.startsWith('..') ? digits : near} --row 3${at}`,
  ];
}
