/** `infaas explain`: why a query went where it went. */

import type { Command } from 'commander';

import { type AddCommand, type Cli, examples, printJson } from '../cli.ts';
import { addConnectionOptions, addJsonOption, chooseSystem } from '../client-options.ts';
import { explanationText } from '../explanation-text.ts';

interface ExplainOptions {
  readonly json?: boolean;
}

export const addExplainCommand: AddCommand = (program, cli) => {
  const command = program
    .command('explain')
    .argument('<query-id>', 'the queryId of an answer: `query` prints it')
    .summary('why a query went where it went')
    .description(
      'Tells why a query was served by this variant, worker and batch, and why not by another. ' +
        'A gateway remembers its last queries (dispatcher.explainedMax).',
    );
  addJsonOption(addConnectionOptions(command))
    .addHelpText('after', examples('infaas explain controller-1f3a9c22-7'))
    .action((queryId: string, options: ExplainOptions, invoked: Command) =>
      runExplain(cli, queryId, options, invoked),
    );
};

async function runExplain(
  cli: Cli,
  queryId: string,
  options: ExplainOptions,
  command: Command,
): Promise<void> {
  const chosen = chooseSystem(command);
  const { withSystem } = await import('../connection.ts');
  const explanation = await withSystem(cli.terminal, chosen, (system) => system.explain(queryId));
  if (options.json === true) printJson(cli.terminal, { explanation });
  else cli.terminal.out(explanationText(explanation, cli.terminal));
}
