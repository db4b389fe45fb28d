#!/usr/bin/env node
// The command `infaas`. In a checkout it first brings dist/ up to date, so that nobody needs to
// remember a build step; an installed package holds no sources and starts at once.

import { existsSync } from 'node:fs';

const SLOW_MS = 1000;

async function compileCheckout() {
  const { build } = await import('../scripts/build.js');
  const notice = setTimeout(() => {
    process.stderr.write('infaas: compiling the sources of this checkout…\n');
  }, SLOW_MS);
  try {
    await build();
  } finally {
    clearTimeout(notice);
  }
}

try {
  if (existsSync(new URL('../nodes/cli/main.ts', import.meta.url))) {
    process.setSourceMapsEnabled(true);
    await compileCheckout();
  }
  const { main } = await import('../dist/nodes/cli/main.js');
  // Only the code is set: leaving is up to the event loop, once stdout has been flushed.
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (error?.code === 'ERR_MODULE_NOT_FOUND' && /Cannot find package/.test(error.message)) {
    process.stderr.write('infaas: a package is missing: run `npm ci` first\n');
  }
  process.stderr.write(
    `infaas: ${error instanceof Error ? (error.stack ?? error.message) : error}\n`,
  );
  process.exitCode = 1;
}
