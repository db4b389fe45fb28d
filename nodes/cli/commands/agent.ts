/** `infaas agent`: spawns workers on its machine when the system needs them. */

import { type AddCommand, examples, printJson } from '../cli.ts';
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

interface AgentOptions extends NodeOptions, MemberOptions, SliceOptions {
  readonly json?: boolean;
}

export const addAgentCommand: AddCommand = (program, cli) => {
  const command = program
    .command('agent')
    .summary('let a distributed system start workers on this machine')
    .description(
      'Runs an agent: it starts workers on this machine when the system is short of them, and ' +
        'ends them when they can be spared, never beyond the cores and the memory it is given.',
    );
  addMemberOptions(command, 'agent');
  addSliceOptions(command);
  addNodeOptions(command);
  addJsonOption(command)
    .addHelpText(
      'after',
      examples('infaas agent --nats nats://127.0.0.1:4222 --cores 0-7 --memory 16GiB'),
    )
    .action(async (options: AgentOptions) => {
      const nats = natsOf(options);
      await stay(cli, {
        what: 'agent',
        start: async () => {
          const { startAgentNode } = await import('../../agent.ts');
          return startAgentNode({
            ...{ nats, name: options.name },
            ...{ cores: options.cores, memory: options.memory },
            ...rootSettingsOf(options),
          });
        },
        started: (node) => {
          if (options.json === true) printJson(cli.terminal, { node: 'agent', ...node.facts });
          else cli.terminal.out(`${node.describe()}\nCtrl-C stops it and its workers.`);
        },
      });
    });
};
