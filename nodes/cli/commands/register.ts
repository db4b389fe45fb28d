/** `infaas register`: one ONNX file, or a manifest, becomes a family of measured variants. */

import type { Command } from 'commander';

import { type AddCommand, type Cli, examples, printJson } from '../cli.ts';
import { addConnectionOptions, addJsonOption, chooseSystem } from '../client-options.ts';
import { addManifestFlags, manifestFlagsOf } from '../manifest-flags.ts';
import type { RegisterFlags } from '../model-files.ts';
import { startProgress } from '../progress.ts';

interface RegisterOptions extends RegisterFlags {
  readonly generate: boolean;
  readonly profile: boolean;
  readonly json?: boolean;
}

export const addRegisterCommand: AddCommand = (program, cli) => {
  const command = program
    .command('register')
    .summary('register a model, and make variants of it')
    .description(
      'Registers a model: checks it, measures it, serves it, then makes variants of it, ' +
        'keeps those worth having and says why the others are not.',
    )
    .argument('<file>', 'a manifest (YAML or JSON), or an ONNX file with the options below')
    .option('--no-generate', 'only the file as it is')
    .option('--no-profile', 'a quick measurement will do');
  addManifestFlags(command);
  addJsonOption(addConnectionOptions(command))
    .addHelpText(
      'after',
      examples(
        'infaas register cnn.onnx --task digit-classification --dataset mnist \\',
        '  --architecture my-cnn --validation held-out.jsonl --metric top1',
        'infaas register my-cnn.yaml',
      ),
    )
    .action((file: string, options: RegisterOptions, invoked: Command) =>
      runRegister(cli, file, options, invoked),
    );
};

async function runRegister(
  cli: Cli,
  file: string,
  options: RegisterOptions,
  command: Command,
): Promise<void> {
  const { terminal } = cli;
  const chosen = chooseSystem(command);
  const { modelFilesOf } = await import('../model-files.ts');
  const { generate, profile } = options;
  const { manifest, files } = modelFilesOf(file, manifestFlagsOf(options));
  const { connectToSystem } = await import('../connection.ts');
  const { progressText, registrationText } = await import('../registration-text.ts');
  const system = await connectToSystem(chosen);
  const progress = startProgress(terminal, `registering ${file}`, { atOnce: true });
  let report;
  try {
    report = await system.register({ ...manifest }, files, {
      ...{ generate, profile },
      onProgress: (told) => {
        progress.update(progressText(told));
      },
    });
  } finally {
    progress.done();
    await system.close();
  }
  if (options.json === true) printJson(terminal, { ok: true, ...report });
  else terminal.out(registrationText(report, terminal));
}
