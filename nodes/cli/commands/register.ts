/** `infaas register`: one ONNX file, or a manifest, becomes a family of measured variants. */

import type { Command } from 'commander';

import { type AddCommand, type Cli, examples, printJson } from '../cli.ts';
import { addConnectionOptions, addJsonOption, chooseSystem } from '../client-options.ts';
import type { RegisterFlags } from '../model-files.ts';
import { parsePercent } from '../option-values.ts';
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
    .option('--task <task>', 'what it does')
    .option('--dataset <dataset>', 'the data it was trained for')
    .option('--architecture <name>', 'what to call it')
    .option('--accuracy <percent>', 'its accuracy, as stated by you', parsePercent)
    .option('--validation <file>', 'examples with labels (JSON lines), to measure accuracy on')
    .option('--no-generate', 'only the file as it is')
    .option('--no-profile', 'a quick measurement will do');
  addJsonOption(addConnectionOptions(command))
    .addHelpText(
      'after',
      examples(
        'infaas register cnn.onnx --task digit-classification --dataset mnist \\',
        '  --architecture my-cnn --validation held-out.jsonl',
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
  const { task, dataset, architecture, accuracy, validation, generate, profile } = options;
  const flags = { task, dataset, architecture, accuracy, validation };
  const { manifest, files } = modelFilesOf(file, definedOnly(flags));
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

function definedOnly(flags: { readonly [K in keyof RegisterFlags]: RegisterFlags[K] | undefined }) {
  const given = Object.entries(flags).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given) as RegisterFlags;
}
