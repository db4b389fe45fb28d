/**
 * The options that client commands share: which system (`--url`, `--nats`, `--token`), what to ask
 * of it (`--task` … `--variant`) and under which SLO. Precedence: flags > `INFAAS_*` > defaults.
 */

import { type Command, Option } from 'commander';

import type { Slo } from '../../actors/domain/query.ts';
import { UsageError } from './errors.ts';
import {
  parseNatsUrl,
  parsePercent,
  parsePositive,
  parsePriority,
  parseSystemUrl,
} from './option-values.ts';

export const defaultUrl = 'ws://127.0.0.1:8080';

export interface ConnectionOptions {
  readonly url: string;
  readonly nats?: string;
  readonly token?: string;
}

export function addConnectionOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--url <url>', 'the system, by WebSocket')
        .env('INFAAS_URL')
        .default(defaultUrl)
        .argParser(parseSystemUrl),
    )
    .addOption(
      new Option('--nats <url>', 'the system, by NATS instead')
        .env('INFAAS_NATS')
        .argParser(parseNatsUrl),
    )
    .addOption(new Option('--token <token>', 'where the system asks for one').env('INFAAS_TOKEN'));
}

export function addJsonOption(command: Command): Command {
  return command.option('--json', 'print one JSON document and nothing else');
}

export interface ChosenSystem {
  readonly url: string;
  readonly token: string | undefined;
}

/** A flag beats the environment; of two flags, or two variables, only one can be meant. */
export function chooseSystem(command: Command): ChosenSystem {
  const { url, nats, token } = command.opts<ConnectionOptions>();
  const chosen = { token: token === '' ? undefined : token };
  if (nats === undefined) return { ...chosen, url };
  const urlFrom = command.getOptionValueSource('url');
  const natsFrom = command.getOptionValueSource('nats');
  if (urlFrom === natsFrom) {
    const names = urlFrom === 'env' ? 'INFAAS_URL and INFAAS_NATS' : '--url and --nats';
    throw new UsageError(`${names} each name a system; give one of them`);
  }
  return { ...chosen, url: urlFrom === 'cli' ? url : nats };
}

export interface SelectorOptions {
  readonly task?: string;
  readonly dataset?: string;
  readonly architecture?: string;
  readonly variant?: string;
  readonly accuracy?: number;
  readonly latency?: number;
  readonly cost?: number;
  readonly onMiss: 'best-effort' | 'reject';
  readonly timeout?: number;
  readonly priority?: number;
}

export function addSelectorOptions(command: Command): Command {
  return command
    .option('--task <task>', 'what to do; the system picks architecture and variant')
    .option('--dataset <dataset>', 'the data the answer is about, where a task has several')
    .option('--architecture <name>', 'one architecture; the system picks the variant')
    .option('--variant <name>', 'exactly this variant')
    .option('--accuracy <percent>', 'SLO: at least this accurate', parsePercent)
    .option('--latency <ms>', 'SLO: answered within so many milliseconds', parsePositive)
    .option('--cost <usd>', 'SLO: at most so many US dollars for 1,000 queries', parsePositive)
    .addOption(
      new Option('--on-miss <what>', 'when the latency cannot be met')
        .choices(['best-effort', 'reject'])
        .default('best-effort'),
    )
    .option(
      '--timeout <ms>',
      'give up after so many milliseconds (the system: 30000)',
      parsePositive,
    )
    .option('--priority <0..9>', 'higher is served first', parsePriority);
}

/** What names the models of a query, as it goes over the wire. */
export interface QuerySelector {
  readonly task?: string;
  readonly dataset?: string;
  readonly architecture?: string;
  readonly variant?: string;
}

/** Exactly one of task, architecture, variant. Throws UsageError. */
export function selectorOf(options: SelectorOptions): QuerySelector {
  const { task, dataset, architecture, variant } = options;
  const given = [
    ...(task === undefined ? [] : ['--task']),
    ...(architecture === undefined ? [] : ['--architecture']),
    ...(variant === undefined ? [] : ['--variant']),
  ];
  const choice = '--task T [--dataset D], --architecture A or --variant V';
  if (given.length === 0)
    throw new UsageError(`say what to ask: ${choice}; \`infaas tasks\` lists the tasks`);
  if (given.length > 1)
    throw new UsageError(`${given.join(' and ')} exclude each other: ${choice}`);
  if (dataset !== undefined && task === undefined) {
    throw new UsageError('--dataset goes with --task');
  }
  if (task !== undefined) return { task, ...(dataset === undefined ? {} : { dataset }) };
  return architecture === undefined ? { variant: variant ?? '' } : { architecture };
}

/** `--cost` is for 1,000 queries, as prices are listed; the SLO is for one. */
export function sloOf(options: SelectorOptions): Slo {
  return {
    ...(options.latency === undefined ? {} : { latencyMs: options.latency }),
    ...(options.accuracy === undefined ? {} : { accuracyMin: options.accuracy }),
    ...(options.cost === undefined ? {} : { costUsdMax: options.cost / 1000 }),
  };
}
