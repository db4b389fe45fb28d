/** `infaas gateway`: one more way into a distributed system. */

import { type AddCommand, commandName, examples, printJson } from '../cli.ts';
import { addJsonOption } from '../client-options.ts';
import {
  addListenOptions,
  addMemberOptions,
  addNodeOptions,
  type ListenOptions,
  listeningOf,
  type MemberOptions,
  natsOf,
  type NodeOptions,
  rootSettingsOf,
} from '../server-options.ts';
import { stay } from '../stay.ts';

interface GatewayOptions extends ListenOptions, NodeOptions, MemberOptions {
  readonly json?: boolean;
}

export const addGatewayCommand: AddCommand = (program, cli) => {
  const command = program
    .command('gateway')
    .summary('run one more gateway of a distributed system')
    .description('Runs one more gateway of a distributed system: WebSocket, HTTP and NATS.');
  addMemberOptions(command, 'gateway');
  addListenOptions(command);
  addNodeOptions(command);
  addJsonOption(command)
    .addHelpText('after', examples('infaas gateway --nats nats://127.0.0.1:4222 --port 8081'))
    .action(async (options: GatewayOptions) => {
      const nats = natsOf(options);
      const listening = await listeningOf(options, cli.terminal.environment);
      await stay(cli, {
        what: 'gateway',
        start: async () => {
          const { startGateway } = await import('../../gateway.ts');
          return startGateway({
            ...listening,
            ...{ nats, name: options.name },
            ...rootSettingsOf(options),
          });
        },
        started: (node) => {
          if (options.json === true) {
            printJson(cli.terminal, { node: 'gateway', ...node.facts });
          } else {
            const at = String(node.facts['url']);
            cli.terminal.out(
              [
                node.describe(),
                `To ask it: ${commandName(cli.terminal)} tasks --url ${at}`,
                'Ctrl-C stops it.',
              ].join('\n'),
            );
          }
        },
      });
    });
};
