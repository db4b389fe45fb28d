/** `infaas watch`: what happens in the fleet, as it happens. */

import { type Command, Option } from 'commander';

import type { FleetEventKind } from '../../../actors/domain/fleet-event.ts';
import { fleetEventKinds } from '../../../actors/domain/fleet-event.ts';
import { type AddCommand, type Cli, examples, printJson } from '../cli.ts';
import { addConnectionOptions, addJsonOption, chooseSystem } from '../client-options.ts';
import { eventLine } from '../event-text.ts';
import { parseCount, parsePositive } from '../option-values.ts';

interface WatchOptions {
  readonly kind?: readonly FleetEventKind[];
  readonly worker?: string;
  readonly instance?: string;
  readonly events?: number;
  readonly duration?: number;
  readonly json?: boolean;
}

export const addWatchCommand: AddCommand = (program, cli) => {
  const command = program
    .command('watch')
    .summary('what happens in the fleet, as it happens')
    .description(
      'Prints decisions (scaling, placement, mitigation, eviction, fleet), workers and instances ' +
        'that come, change and go. Ends with Ctrl-C, --events or --duration.',
    )
    .addOption(
      new Option('--kind <kind...>', 'only these; `selection` is one a query').choices(
        fleetEventKinds,
      ),
    )
    .option('--worker <name>', 'only what concerns this worker')
    .option('--instance <name>', 'only what concerns this instance')
    .option('--events <n>', 'end after so many', parseCount)
    .option('--duration <s>', 'end after so many seconds', parsePositive);
  addJsonOption(addConnectionOptions(command))
    .addHelpText(
      'after',
      examples('infaas watch', 'infaas watch --kind decision --worker worker-1 --json'),
    )
    .action((options: WatchOptions, invoked: Command) => runWatch(cli, options, invoked));
};

async function runWatch(cli: Cli, options: WatchOptions, command: Command): Promise<void> {
  const { kind, worker, instance, events = Infinity, duration, json } = options;
  const chosen = chooseSystem(command);
  const { connectToSystem } = await import('../connection.ts');
  const system = await connectToSystem(chosen);
  let left = events;
  const ending = new AbortController();
  const interrupted = (): void => ending.abort();
  const timer = duration === undefined ? undefined : setTimeout(interrupted, duration * 1_000);
  process.once('SIGINT', interrupted);
  try {
    await system.subscribe(
      {
        ...(kind === undefined ? {} : { kinds: kind }),
        ...(worker === undefined ? {} : { worker }),
        ...(instance === undefined ? {} : { instance }),
      },
      (news) => {
        for (const event of news.events) {
          if (left <= 0) return;
          left -= 1;
          if (json === true) printJson(cli.terminal, event);
          else cli.terminal.out(eventLine(event));
        }
        if (news.lost > 0) cli.terminal.err(`${String(news.lost)} events were lost: too slow`);
        if (left <= 0) ending.abort();
      },
      ending.signal,
    );
  } finally {
    clearTimeout(timer);
    process.removeListener('SIGINT', interrupted);
    await system.close();
  }
}
