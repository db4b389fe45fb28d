/** `infaas what-if`: what a recorded system would have come to with other policies or machines. */

import { InvalidArgumentError, Option } from 'commander';

import { type PolicyName, policyNames } from '../../../actors/policy/policies.ts';
import { type AddCommand, examples, printJson } from '../cli.ts';
import { addJsonOption } from '../client-options.ts';
import { UsageError } from '../errors.ts';
import { parseCount, parseSeed } from '../option-values.ts';

interface WhatIfOptions {
  readonly policy?: PolicyName;
  readonly workers?: number;
  readonly workersMax?: number;
  readonly cores?: number;
  readonly usdPerHour?: number;
  readonly seed?: number;
  readonly json?: boolean;
}

export const addWhatIfCommand: AddCommand = (program, cli) => {
  const command = program
    .command('what-if')
    .summary('what a recorded load would have cost otherwise')
    .description(
      'Simulates a recorded system: its queries at the moments at which they came, its variants, ' +
        'its machines and the times that its batches took. First as it was, which shows how far ' +
        'the simulation is off, then with what is asked for. Record all nodes: --record FOLDER.',
    )
    .argument('<recording...>', 'files, or folders of them; all nodes of one system')
    .addOption(new Option('--policy <name>', 'another policy').choices(policyNames))
    .addOption(new Option('--workers <n>', 'machines at the start').argParser(parseCount))
    .addOption(new Option('--workers-max <n>', 'machines to grow to').argParser(parseCount))
    .addOption(new Option('--cores <n>', 'cores of each machine').argParser(parseCount))
    .addOption(
      new Option('--usd-per-hour <price>', 'of a machine').argParser((text: string) => {
        if (Number(text) >= 0 && text.trim() !== '') return Number(text);
        throw new InvalidArgumentError('a price in US dollars, like 0.384');
      }),
    )
    .addOption(new Option('--seed <n>', 'of the simulation (default: 1)').argParser(parseSeed));
  addJsonOption(command)
    .addHelpText(
      'after',
      examples(
        'infaas what-if records --policy infaas-paper',
        'infaas what-if records --workers 1 --workers-max 4 --usd-per-hour 0.1',
      ),
    )
    .action(async (paths: readonly string[], options: WhatIfOptions) => {
      const { workers, workersMax } = options;
      if (workers !== undefined && workersMax !== undefined && workersMax < workers) {
        throw new UsageError('--workers-max is less than --workers');
      }
      // Loaded only here: no other command needs the simulator.
      const { whatIf } = await import('../../../sim/command/what-if.ts');
      const { text, ...found } = whatIf(paths, options);
      if (options.json === true) printJson(cli.terminal, found);
      else cli.terminal.out(text);
    });
};
