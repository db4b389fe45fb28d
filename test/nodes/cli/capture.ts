/** Runs one command line in this process and keeps what it printed, for the tests of the CLI. */

import { main } from '../../../nodes/cli/main.ts';
import type { Terminal } from '../../../nodes/cli/terminal.ts';

export interface Captured {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export function capturingTerminal(): {
  readonly terminal: Terminal;
  captured(): Omit<Captured, 'code'>;
} {
  const out: string[] = [];
  const err: string[] = [];
  return {
    terminal: {
      out: (text) => out.push(text),
      err: (text) => err.push(text),
      errRaw: (text) => err.push(text),
      outIsTty: false,
      errIsTty: false,
      colours: false,
      environment: {},
      leaveEvenIfHeld: () => undefined,
    },
    captured: () => ({ out: out.join('\n'), err: err.join('\n') }),
  };
}

export async function run(...argv: readonly string[]): Promise<Captured> {
  const { terminal, captured } = capturingTerminal();
  const code = await main(argv, terminal);
  return { code, ...captured() };
}
