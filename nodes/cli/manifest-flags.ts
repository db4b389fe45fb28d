/** The options that say of an ONNX file what a manifest would: of `register` and `up --model`. */

import { type Command, Option } from 'commander';

import type { RegisterFlags } from './model-files.ts';
import { parsePercent } from './option-values.ts';

/** As in `manifest-schema.ts`, which is not loaded for the sake of a help text. */
const metrics = ['top1', 'top5', 'threshold', 'within'] as const;

export function addManifestFlags(command: Command): Command {
  return command
    .option('--task <task>', 'what it does')
    .option('--dataset <dataset>', 'the data it was trained for')
    .option('--architecture <name>', 'what to call it')
    .option('--accuracy <percent>', 'its accuracy, as stated by you', parsePercent)
    .option('--validation <file>', 'examples with labels (JSON lines), to measure accuracy on')
    .addOption(new Option('--metric <metric>', 'how they are judged').choices(metrics))
    .option('--output <name>', 'the output that is judged (default: the first)');
}

/** Those that were given. */
export function manifestFlagsOf(options: RegisterFlags): RegisterFlags {
  const { task, dataset, architecture, accuracy, validation, metric, output } = options;
  const flags = { task, dataset, architecture, accuracy, validation, metric, output };
  const given = Object.entries(flags).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given);
}
