/**
 * Commands that the interface names and this version does not have: said clearly, and not listed.
 */

import type { AddCommand } from '../cli.ts';
import { UsageError } from '../errors.ts';

const laterCommands = ['offline'] as const;

export const addLaterCommands: AddCommand = (program) => {
  for (const name of laterCommands) {
    program
      .command(name, { hidden: true })
      .helpOption(false)
      .allowUnknownOption()
      .allowExcessArguments()
      .action(() => {
        throw new UsageError(`${name} is not in this version`);
      });
  }
};
