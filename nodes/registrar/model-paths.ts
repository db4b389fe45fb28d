/** Names of files as they come from elsewhere, and where they lead: into a folder, never out. */

import { join, resolve, sep } from 'node:path';

const nameLengthMax = 255;

/** The path of `name` in `folder`, or undefined where the name leads anywhere else. */
export function pathWithin(folder: string, name: string): string | undefined {
  const slashed = name.replaceAll('\\', '/');
  const isName =
    slashed !== '' &&
    slashed.length <= nameLengthMax &&
    // Control characters belong into no name.
    !/\p{Cc}/u.test(slashed) &&
    !slashed.startsWith('/') &&
    !/^[A-Za-z]:/.test(slashed) &&
    slashed.split('/').every((part) => part !== '' && part !== '.' && part !== '..');
  if (!isName) return undefined;
  const root = resolve(folder);
  const path = join(root, slashed);
  return path.startsWith(root + sep) ? path : undefined;
}
