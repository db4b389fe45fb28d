/**
 * Where the engine's own programs lie: beside their caller, as `.ts` under tsx during development
 * and as `.js` once compiled. New processes and threads must be told to load TypeScript themselves.
 */

import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

export interface EntryPoint {
  readonly url: URL;
  /** Options of Node that the program needs. */
  readonly execArgv: readonly string[];
}

/**
 * `path` without extension, relative to the module that asks, whose `import.meta.url` is `base`.
 */
export function entryPointBeside(base: string, path: string): EntryPoint {
  const typescript = base.endsWith('.ts');
  return {
    url: new URL(`${path}${typescript ? '.ts' : '.js'}`, base),
    execArgv: typescript ? ['--import', registerTypescript(base)] : [],
  };
}

/** `--import tsx` does nothing in a worker thread of Node 20; registering by its API does. */
function registerTypescript(base: string): string {
  // Found by `require`, since some loaders give `import.meta` no `resolve`; meant for `import`.
  const path = createRequire(base)
    .resolve('tsx/esm/api')
    .replace(/\.cjs$/, '.mjs');
  const api = pathToFileURL(path).href;
  const source = `import { register } from ${JSON.stringify(api)}; register();`;
  return `data:text/javascript,${encodeURIComponent(source)}`;
}
