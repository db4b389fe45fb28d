/** The program `infaas`: every command in one place, and how commander is told to behave. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { Command } from 'commander';

import { packageRoot } from '../package-root.ts';
import { type AddCommand, type Cli, examples } from './cli.ts';
import { addAgentCommand } from './commands/agent.ts';
import { addControllerCommand } from './commands/controller.ts';
import { addDemoCommand } from './commands/demo.ts';
import { addExplainCommand } from './commands/explain.ts';
import { addGatewayCommand } from './commands/gateway.ts';
import {
  addArchitecturesCommand,
  addInstancesCommand,
  addTasksCommand,
  addVariantsCommand,
  addWorkersCommand,
} from './commands/listings.ts';
import { addLoadCommand } from './commands/load.ts';
import { addOfflineCommand } from './commands/offline.ts';
import { addQueryCommand } from './commands/query.ts';
import { addRegisterCommand } from './commands/register.ts';
import { addUnregisterCommand } from './commands/unregister.ts';
import { addQuoteCommand } from './commands/quote.ts';
import { addReplayCommand } from './commands/replay.ts';
import { addSimulateCommand } from './commands/simulate.ts';
import { addUpCommand } from './commands/up.ts';
import { addWatchCommand } from './commands/watch.ts';
import { addWhatIfCommand } from './commands/what-if.ts';
import { addWorkerCommand } from './commands/worker.ts';

const commands: readonly AddCommand[] = [
  addDemoCommand,
  addUpCommand,
  addControllerCommand,
  addWorkerCommand,
  addGatewayCommand,
  addRegisterCommand,
  addUnregisterCommand,
  addAgentCommand,
  addTasksCommand,
  addArchitecturesCommand,
  addVariantsCommand,
  addWorkersCommand,
  addInstancesCommand,
  addQueryCommand,
  addExplainCommand,
  addQuoteCommand,
  addWatchCommand,
  addLoadCommand,
  addOfflineCommand,
  addSimulateCommand,
  addReplayCommand,
  addWhatIfCommand,
];

/** Nothing ends the process and nothing is printed past `cli.terminal`: errors are thrown. */
export function createProgram(cli: Cli): Command {
  const { terminal } = cli;
  const program = new Command('infaas')
    .description(
      'Model-less inference serving: state a task and an SLO, the system picks the model ' +
        'variant, the worker and the batch.',
    )
    .version(version())
    .exitOverride()
    .configureOutput({
      writeOut: (text) => terminal.out(text.trimEnd()),
      writeErr: (text) => terminal.err(text.trimEnd()),
      // Printed once, by main, in the form of all errors.
      outputError: () => undefined,
      getOutHasColors: () => terminal.colours,
    })
    .addHelpText(
      'after',
      `${examples('infaas demo', 'infaas up --zoo', 'infaas query --help')}\n\n` +
        'Exit codes: 0 done, 1 failed, 2 usage, 4 the query was refused.',
    );
  for (const add of commands) add(program, cli);
  return program;
}

function version(): string {
  const text = readFileSync(join(packageRoot(), 'package.json'), 'utf8');
  return (JSON.parse(text) as { readonly version: string }).version;
}
