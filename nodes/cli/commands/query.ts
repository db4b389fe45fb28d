/** `infaas query`: one query, and who answered it, how fast, how right. */

import type { Command } from 'commander';

import type { TensorDescription } from '../../../actors/domain/fleet-description.ts';
import type { NamedTensors } from '../../../runtime/wire/tensors.ts';
import { answerJson, describeAnswer } from '../answer-text.ts';
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
import { QueryWasRefused, UsageError } from '../errors.ts';
import { collect, parseRow } from '../option-values.ts';
import {
  queryForRefusal,
  signatureOf,
  type System,
  type SystemAnswer,
  type SystemQuery,
} from '../system.ts';

interface QueryOptions extends SelectorOptions {
  readonly input?: readonly string[];
  readonly row?: number;
  readonly output?: readonly string[];
  readonly json?: boolean;
}

export const addQueryCommand: AddCommand = (program, cli) => {
  const command = program
    .command('query')
    .summary('ask one query')
    .description(
      'Asks one query and prints who answered, how fast, and whether the SLO was met. ' +
        'Exits with 4 when the system refuses it.',
    );
  addSelectorOptions(command)
    .option(
      '--input <file>',
      'JSON, .npy or PNG; NAME=FILE for one of several inputs, - for JSON from stdin',
      collect,
    )
    .option('--row <n>', 'only this row of a batch in the file, from 0', parseRow)
    .option('--output <name>', 'only this output; may be repeated', collect);
  addJsonOption(addConnectionOptions(command))
    .addHelpText(
      'after',
      examples(
        'infaas query --task digit-classification --dataset mnist --accuracy 98 --latency 20 \\',
        '  --input digit.png',
        'infaas query --variant cnn-small-fp32 --input digit.npy --json',
      ),
    )
    .action((options: QueryOptions, invoked: Command) => runQuery(cli, options, invoked));
};

async function runQuery(cli: Cli, options: QueryOptions, command: Command): Promise<void> {
  const selector = selectorOf(options);
  const files = options.input;
  if (files === undefined) throw new UsageError('say what to ask about: --input FILE');
  const chosen = chooseSystem(command);
  const { withSystem } = await import('../connection.ts');
  const answer = await withSystem(cli.terminal, chosen, async (system) => {
    const signature = await signatureOf(system, selector);
    if (signature === undefined) return system.query(queryForRefusal(selector));
    const { readInputs } = await import('../read-input.ts');
    const { inputs, notes } = readInputs(files, signature.inputs);
    for (const note of notes) cli.terminal.err(note);
    const row = options.row;
    const asked = row === undefined ? inputs : await rowOf(inputs, signature.inputs, row);
    return ask(system, { ...selector, inputs: asked }, options);
  });
  report(cli, answer, options);
}

async function rowOf(
  inputs: NamedTensors,
  signature: readonly TensorDescription[],
  row: number,
): Promise<NamedTensors> {
  const { rowsOf } = await import('../load/load-inputs.ts');
  const rows = rowsOf(inputs, signature);
  const one = rows[row];
  if (one !== undefined) return one;
  throw new UsageError(`--row ${String(row)}: there are ${String(rows.length)} rows, from 0`);
}

function ask(system: System, query: SystemQuery, options: QueryOptions): Promise<SystemAnswer> {
  return system.query({
    ...query,
    slo: sloOf(options),
    onMiss: options.onMiss,
    ...(options.timeout === undefined ? {} : { timeoutMs: options.timeout }),
    ...(options.priority === undefined ? {} : { priority: options.priority }),
    ...(options.output === undefined ? {} : { outputs: options.output }),
  });
}

/** With `--json` a refusal is a document too: it is the answer. */
function report(cli: Cli, answer: SystemAnswer, options: QueryOptions): void {
  const json = options.json === true;
  if (json) printJson(cli.terminal, answerJson(answer));
  if (!answer.ok) throw new QueryWasRefused(answer.error, json);
  if (!json) cli.terminal.out(describeAnswer(answer, sloOf(options)));
}
