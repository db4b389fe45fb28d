/** `infaas unregister`: an architecture, or one of its variants, goes; what runs is finished. */

import type { Command } from 'commander';

import { type AddCommand, type Cli, examples, printJson } from '../cli.ts';
import { addConnectionOptions, addJsonOption, chooseSystem } from '../client-options.ts';
import { UsageError } from '../errors.ts';

export const addUnregisterCommand: AddCommand = (program, cli) => {
  const command = program
    .command('unregister')
    .summary('remove a model')
    .description('Removes an architecture or one of its variants; what runs is finished first.')
    .argument('<name>', 'ARCHITECTURE, or ARCHITECTURE/VARIANT');
  addJsonOption(addConnectionOptions(command))
    .addHelpText(
      'after',
      examples('infaas unregister my-cnn', 'infaas unregister my-cnn/my-cnn-int8-static'),
    )
    .action((name: string, options: { json?: boolean }, invoked: Command) =>
      runUnregister(cli, name, options, invoked),
    );
};

async function runUnregister(
  cli: Cli,
  name: string,
  options: { json?: boolean },
  command: Command,
): Promise<void> {
  const [architecture = '', variant, ...rest] = name.split('/');
  if (architecture === '' || variant === '' || rest.length > 0) {
    throw new UsageError(`"${name}": give ARCHITECTURE or ARCHITECTURE/VARIANT`);
  }
  const chosen = chooseSystem(command);
  const { withSystem } = await import('../connection.ts');
  const report = await withSystem(cli.terminal, chosen, (system) =>
    system.unregister(architecture, variant),
  );
  if (options.json === true) printJson(cli.terminal, { ok: true, ...report });
  else cli.terminal.out(`unregistered ${report.variants.join(', ')}`);
}
