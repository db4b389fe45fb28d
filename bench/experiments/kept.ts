/** Results that are kept as JSON: whole, or not there. */

import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

export function readKept(path: string): unknown {
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as unknown) : undefined;
}

/** Written beside, then named. */
export function writeKept(path: string, result: unknown): void {
  mkdirSync(dirname(path), { recursive: true });
  const beside = `${path}.${String(process.pid)}`;
  writeFileSync(beside, JSON.stringify(result));
  renameSync(beside, path);
}
