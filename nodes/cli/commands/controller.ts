/** `infaas controller`: the node that owns registry and fleet; it holds a gateway too. */

import { type AddCommand, commandName, examples, printJson } from '../cli.ts';
import { addJsonOption } from '../client-options.ts';
import {
  addBusOption,
  addListenOptions,
  addModelOptions,
  addNodeOptions,
  defaultDataDir,
  type ListenOptions,
  listeningOf,
  type ModelOptions,
  type MemberOptions,
  natsOf,
  type NodeOptions,
  rootSettingsOf,
} from '../server-options.ts';
import { stay } from '../stay.ts';

interface ControllerOptions extends ListenOptions, NodeOptions, ModelOptions, MemberOptions {
  readonly json?: boolean;
}

export const addControllerCommand: AddCommand = (program, cli) => {
  const command = program
    .command('controller')
    .summary('run the controller of a distributed system')
    .description('Runs the controller of a distributed system, and a gateway in the same process.');
  addBusOption(command);
  addModelOptions(command);
  addListenOptions(command);
  addNodeOptions(command);
  addJsonOption(command)
    .addHelpText('after', examples('infaas controller --nats nats://127.0.0.1:4222 --zoo'))
    .action(async (options: ControllerOptions) => {
      const nats = natsOf(options);
      const listening = await listeningOf(options, cli.terminal.environment);
      await stay(cli, {
        what: 'controller',
        start: async () => {
          const { startController } = await import('../../controller.ts');
          return startController({
            ...listening,
            ...{ nats, zoo: options.zoo === true, models: options.model ?? [] },
            dataDir: options.data ?? defaultDataDir,
            ...rootSettingsOf(options),
          });
        },
        started: (node) => {
          if (options.json === true) {
            printJson(cli.terminal, { node: 'controller', ...node.facts });
            return;
          }
          cli.terminal.out(
            [
              node.describe(),
              'Next, on this machine or another:',
              `  ${commandName(cli.terminal)} worker --nats ${nats}`,
              'Ctrl-C stops it; gateways and workers go on serving meanwhile.',
            ].join('\n'),
          );
        },
      });
    });
};
