/** `infaas worker`: a slice of a machine that joins a distributed system. */

import { reportReady } from '../../adapters/worker-process.ts';
import { type AddCommand, commandName, examples, printJson } from '../cli.ts';
import { addJsonOption } from '../client-options.ts';
import {
  addMemberOptions,
  addNodeOptions,
  addSliceOptions,
  type MemberOptions,
  natsOf,
  type NodeOptions,
  type SliceOptions,
  rootSettingsOf,
} from '../server-options.ts';
import { stay } from '../stay.ts';

interface WorkerOptions extends NodeOptions, MemberOptions, SliceOptions {
  readonly json?: boolean;
}

export const addWorkerCommand: AddCommand = (program, cli) => {
  const command = program
    .command('worker')
    .summary('run a worker of a distributed system')
    .description(
      'Runs a worker: it joins the system, loads what it is told, serves what it is sent.',
    );
  addMemberOptions(command, 'worker');
  addSliceOptions(command);
  addNodeOptions(command);
  addJsonOption(command)
    .addHelpText(
      'after',
      examples('infaas worker --nats nats://127.0.0.1:4222 --cores 0-1 --memory 4GiB'),
    )
    .action(async (options: WorkerOptions) => {
      const nats = natsOf(options);
      const spawned = process.send !== undefined;
      if (spawned) endWithParent();
      await stay(cli, {
        what: 'worker',
        start: async () => {
          const { startWorker } = await import('../../worker.ts');
          return startWorker({
            ...{ nats, name: options.name },
            ...{ cores: options.cores, memory: options.memory },
            ...rootSettingsOf(options),
          });
        },
        spawned,
        started: (node, stop) => {
          if (spawned) reportToParent(stop);
          if (options.json === true) {
            printJson(cli.terminal, { node: 'worker', ...node.facts });
          } else {
            const infaas = commandName(cli.terminal);
            cli.terminal.out(
              `${node.describe()}\nTo see it: ${infaas} workers --nats ${nats}\nCtrl-C stops it.`,
            );
          }
        },
      });
      // The channel to the parent would keep this process.
      if (process.connected) process.disconnect();
    });
};

/** Without its parent a worker has this long to end in good order, joined or still joining. */
const orphanGraceMs = 5_000;

function endWithParent(): void {
  process.once('disconnect', () => {
    setTimeout(() => process.exit(1), orphanGraceMs).unref();
  });
}

/** `infaas up` waits to hear that its workers joined; they end with it. */
function reportToParent(stop: () => void): void {
  if (process.connected) reportReady(stop);
  else stop();
}
