/** `infaas quote`: what a query would get now, without running it. */

import type { Command } from 'commander';

import { type AddCommand, type Cli, examples, printJson } from '../cli.ts';
import {
  addConnectionOptions,
  addJsonOption,
  addSelectorOptions,
  chooseSystem,
  type SelectorOptions,
  selectorOf,
  sloOf,
} from '../client-options.ts';
import { quoteText } from '../explanation-text.ts';
import { parseCount } from '../option-values.ts';

interface QuoteOptions extends SelectorOptions {
  readonly batch?: number;
  readonly json?: boolean;
}

export const addQuoteCommand: AddCommand = (program, cli) => {
  const command = program
    .command('quote')
    .summary('what a query would get, without running it')
    .description(
      'Predicts latency, accuracy, cost and the chance to meet the SLO, from what is loaded and ' +
        'queued now. Nothing runs. Exits with 4 when such a query would be refused.',
    );
  addSelectorOptions(command).option(
    '--batch <rows>',
    'rows that the query would have (default 1)',
    parseCount,
  );
  addJsonOption(addConnectionOptions(command))
    .addHelpText(
      'after',
      examples('infaas quote --task digit-classification --accuracy 98 --latency 20'),
    )
    .action((options: QuoteOptions, invoked: Command) => runQuote(cli, options, invoked));
};

async function runQuote(cli: Cli, options: QuoteOptions, command: Command): Promise<void> {
  const slo = sloOf(options);
  const asked = {
    ...selectorOf(options),
    slo,
    onMiss: options.onMiss,
    ...(options.batch === undefined ? {} : { batch: options.batch }),
  };
  const chosen = chooseSystem(command);
  const { withSystem } = await import('../connection.ts');
  const quote = await withSystem(cli.terminal, chosen, (system) => system.quote(asked));
  if (options.json === true) printJson(cli.terminal, { quote });
  else cli.terminal.out(quoteText(quote, slo, cli.terminal));
}
