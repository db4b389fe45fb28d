/** `infaas simulate`: a scenario under virtual time, by the actors and policies of production. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { InvalidArgumentError, Option } from 'commander';
import { parse as parseYaml } from 'yaml';

import { type PolicyName, policyNames } from '../../../actors/policy/policies.ts';
import { messageOf } from '../../../runtime/errors.ts';
import { packageRoot } from '../../package-root.ts';
import { type AddCommand, type Cli, examples, printJson } from '../cli.ts';
import { addJsonOption } from '../client-options.ts';
import { UsageError } from '../errors.ts';
import { parseSeed } from '../option-values.ts';

interface SimulateOptions {
  readonly seed?: number;
  readonly policy?: PolicyName;
  readonly set?: Readonly<Record<string, unknown>>;
  readonly list?: boolean;
  readonly chart?: string;
  readonly json?: boolean;
}

export const addSimulateCommand: AddCommand = (program, cli) => {
  const command = program
    .command('simulate')
    .summary('run a scenario under virtual time')
    .description(
      'Runs a scenario (fleet, variants, load, incidents) with the actors and policies of ' +
        'production; engines, machines and network are models. Minutes pass in seconds.',
    )
    .argument('[scenario]', 'a YAML file, or the name of one that --list shows')
    .addOption(new Option('--seed <n>', 'in place of the one in the scenario').argParser(parseSeed))
    .addOption(
      new Option('--policy <name>', 'in place of the one in the scenario').choices(policyNames),
    )
    .addOption(
      new Option(
        '--set <key=value>',
        'a key of the scenario, in place of what it says; values are YAML; may be repeated',
      ).argParser(parseSetting),
    )
    .option('--list', 'the scenarios that come with infaas')
    .option('--chart <file>', 'writes an SVG chart of load, violations and utilisation');
  addJsonOption(command)
    .addHelpText(
      'after',
      examples(
        'infaas simulate --list',
        'infaas simulate burst --seed 7 --chart burst.svg',
        'infaas simulate step --policy infaas-paper',
        "infaas simulate step --set loadFactor=5 --set 'modelled={ hopMs: 2 }'",
      ),
    )
    .action(async (scenario: string | undefined, options: SimulateOptions) => {
      // Loaded only here: no other command needs the simulator.
      const { listScenarios, simulate } = await import('../../../sim/command/simulate.ts');
      const folder = join(packageRoot(), 'examples', 'scenarios');
      if (options.list === true) {
        printList(cli, listScenarios(folder), options);
        return;
      }
      if (scenario === undefined) throw new UsageError('name a scenario, or give --list');
      const { report, text, chart } = simulate(scenario, folder, options);
      if (options.chart !== undefined) writeFileSync(options.chart, chart);
      if (options.json === true) printJson(cli.terminal, report);
      else cli.terminal.out(text);
    });
};

function parseSetting(text: string, before: Readonly<Record<string, unknown>> = {}) {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('write KEY=VALUE, like loadFactor=5');
  try {
    return { ...before, [text.slice(0, at)]: parseYaml(text.slice(at + 1)) as unknown };
  } catch (error) {
    throw new InvalidArgumentError(`the value is no YAML: ${messageOf(error)}`);
  }
}

function printList(
  cli: Cli,
  scenarios: readonly { readonly name: string; readonly about: string }[],
  options: SimulateOptions,
): void {
  if (options.json === true) printJson(cli.terminal, { scenarios });
  else for (const { name, about } of scenarios) cli.terminal.out(`${name.padEnd(16)} ${about}`);
}
