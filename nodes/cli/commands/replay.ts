/** `infaas replay`: a recording played again by the actors as they are now. */

import { type AddCommand, examples, printJson } from '../cli.ts';
import { addJsonOption } from '../client-options.ts';
import { CommandFailed } from '../errors.ts';

export const addReplayCommand: AddCommand = (program, cli) => {
  const command = program
    .command('replay')
    .summary('play a recording again and compare every decision')
    .description(
      'Gives every recorded actor what it was given then, at the time it was then, and compares ' +
        'what it decides. The same infaas decides the same, bit for bit; exit code 1 says that ' +
        'something differs. Recordings are made with --record FOLDER.',
    )
    .argument('<recording...>', 'files, or folders of them');
  addJsonOption(command)
    .addHelpText(
      'after',
      examples(
        'infaas up --zoo --record records',
        'infaas replay records',
        'infaas replay records --json',
      ),
    )
    .action(async (paths: readonly string[], options: { readonly json?: boolean }) => {
      // Loaded only here: no other command needs the simulator.
      const { replayFiles } = await import('../../../sim/command/replay.ts');
      const { files, same, text } = replayFiles(paths);
      if (options.json === true) printJson(cli.terminal, { same, files });
      else cli.terminal.out(text);
      if (!same) throw new CommandFailed('it was decided otherwise than then', 'differs');
    });
};
