/** `infaas explain`: why a query went where it went, why an instance or a worker is as it is. */

import type { Command } from 'commander';

import { type AddCommand, type Cli, examples, printJson } from '../cli.ts';
import { addConnectionOptions, addJsonOption, chooseSystem } from '../client-options.ts';
import { UsageError } from '../errors.ts';
import { subjectText } from '../event-text.ts';
import { explanationText } from '../explanation-text.ts';

interface ExplainOptions {
  readonly instance?: string;
  readonly worker?: string;
  readonly json?: boolean;
}

export const addExplainCommand: AddCommand = (program, cli) => {
  const command = program
    .command('explain')
    .argument('[query-id]', 'the queryId of an answer: `query` prints it')
    .summary('why a query went where it went, or an instance is there')
    .option('--instance <name>', 'why it was started, moved, replaced, removed')
    .option('--worker <name>', 'what was decided there, and of it')
    .description(
      'Tells why a query was served by this variant, worker and batch, and why not by another. ' +
        'A gateway remembers its last queries (dispatcher.explainedMax).',
    );
  addJsonOption(addConnectionOptions(command))
    .addHelpText(
      'after',
      examples(
        'infaas explain controller-1f3a9c22-7',
        'infaas explain --instance worker-1/cnn-small-fp32-1',
      ),
    )
    .action((queryId: string | undefined, options: ExplainOptions, invoked: Command) =>
      runExplain(cli, queryId, options, invoked),
    );
};

async function runExplain(
  cli: Cli,
  queryId: string | undefined,
  options: ExplainOptions,
  command: Command,
): Promise<void> {
  const { instance, worker } = options;
  if ([queryId, instance, worker].filter((given) => given !== undefined).length !== 1) {
    throw new UsageError('name one: a QUERY_ID, --instance NAME or --worker NAME');
  }
  const chosen = chooseSystem(command);
  const { withSystem } = await import('../connection.ts');
  if (queryId === undefined) {
    const kind = instance === undefined ? 'worker' : 'instance';
    const subject = { kind, name: instance ?? worker ?? '' } as const;
    const told = await withSystem(cli.terminal, chosen, (system) => system.explainSubject(subject));
    if (options.json === true) printJson(cli.terminal, { explanation: told });
    else cli.terminal.out(subjectText(told));
    return;
  }
  const explanation = await withSystem(cli.terminal, chosen, (system) => system.explain(queryId));
  if (options.json === true) printJson(cli.terminal, { explanation });
  else cli.terminal.out(explanationText(explanation, cli.terminal));
}
