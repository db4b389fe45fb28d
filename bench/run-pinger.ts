/** Runs `pinger` as a process of its own and gives the p99 it measured, ms. */

import { execFile } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const here = dirname(fileURLToPath(import.meta.url));
const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js';

export async function runPinger(url: string, seconds: number): Promise<number> {
  const loader = extension === '.ts' ? ['--import', 'tsx'] : [];
  const script = join(here, `pinger${extension}`);
  const { stdout } = await run(process.execPath, [...loader, script, url, String(seconds)]);
  return (JSON.parse(stdout) as { p99: number | null }).p99 ?? Infinity;
}
