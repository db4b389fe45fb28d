/** How a process is pinned to cores. */

import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** A command line's beginning that pins a process to cores; nothing where that cannot be done. */
export function pinTo(cores: readonly number[]): string[] {
  const onPath = (process.env['PATH'] ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, 'taskset'), constants.X_OK);
      return folder !== '';
    } catch {
      return false;
    }
  });
  return cores.length > 0 && onPath ? ['taskset', '-c', cores.join(',')] : [];
}
