// Compiles the sources to dist/, file by file, and only those that changed. It is plain JavaScript
// because a fresh checkout has nothing else to run: bin/infaas.js calls it on every start, so doing
// nothing must cost next to nothing.
//
//   node scripts/build.js [--types]      --types adds the client's declarations (before packing)
//
// An output carries the modification time of its source: equal means fresh, whichever way the clock
// or a checkout went. Outputs are written under a name of their own and renamed, so two builds at
// once end in the same tree and a reader never sees half a file.

import { execFile } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const FOLDERS = ['runtime', 'actors', 'nodes', 'client', 'sim', 'zoo', 'bench', 'examples'];

/** Read next to the code that wants them (`new URL('./x.yaml', import.meta.url)`), so copied. */
const ASSETS = /\.(json|yaml|html|css)$/;

/** The zoo's manifests and models stay where they are: they are found from the package's root. */
const ASSETS_STAY = new Set(['zoo']);

/** A temporary file this old was left by a build that died. */
const ORPHAN_MS = 60_000;

/**
 * Brings dist/ up to date with the sources.
 *
 * @param {{ root?: string, types?: boolean }} [options]
 * @returns {Promise<{ compiled: number, copied: number, removed: number }>}
 */
export async function build({ root = ROOT, types = false } = {}) {
  const dist = join(root, 'dist');
  const sources = FOLDERS.flatMap((folder) => listFiles(join(root, folder)).filter(isInput(root)));
  const fingerprint = buildFingerprint(root);
  if (readIfPresent(join(dist, '.build')) !== fingerprint) {
    for (const folder of FOLDERS) markStale(join(dist, folder));
    writeAtomically(join(dist, '.build'), fingerprint, new Date());
  }

  const removed = removeOrphans(dist, new Set(sources.flatMap((path) => outputsOf(root, path))));
  const stale = sources.filter((path) => isStale(root, path));
  const code = stale.filter((path) => path.endsWith('.ts'));
  const assets = stale.filter((path) => !path.endsWith('.ts'));
  if (code.length > 0) await compile(root, code);
  for (const path of assets) {
    const output = join(dist, relative(root, path));
    const { mtime } = statSync(path);
    const temporary = temporaryFor(output);
    copyFileSync(path, temporary);
    publish(temporary, output, mtime);
  }
  if (types) await declareTypes(root);
  return { compiled: code.length, copied: assets.length, removed };
}

async function compile(root, paths) {
  const esbuild = await import('esbuild');
  // The time is read before the text: an edit in between leaves the output stale, never wrongly
  // fresh.
  const mtimes = new Map(paths.map((path) => [relative(root, path), statSync(path).mtime]));
  try {
    const result = await esbuild.build({
      absWorkingDir: root,
      entryPoints: [...mtimes.keys()],
      outbase: '.',
      outdir: 'dist',
      bundle: false,
      write: false,
      format: 'esm',
      platform: 'node',
      target: 'node20',
      sourcemap: 'linked',
      sourcesContent: false,
      logLevel: 'silent',
      tsconfigRaw: { compilerOptions: { verbatimModuleSyntax: true, target: 'ES2022' } },
    });
    // Maps first, so that code never points at a map that is not there.
    const outputs = result.outputFiles.sort((a, b) => order(a.path) - order(b.path));
    for (const { path, text } of outputs) {
      const source = relative(join(root, 'dist'), path).replace(/\.js(\.map)?$/, '.ts');
      const content = path.endsWith('.js') ? rewriteSpecifiers(text) : text;
      writeAtomically(path, content, mtimes.get(source) ?? new Date(0));
    }
  } catch (error) {
    if (!Array.isArray(error?.errors)) throw error;
    const messages = await esbuild.formatMessages(error.errors, { kind: 'error', color: false });
    throw new Error(`the sources do not compile\n${messages.join('')}`, { cause: error });
  } finally {
    await esbuild.stop();
  }
}

const order = (path) => (path.endsWith('.map') ? 0 : 1);

/**
 * Makes relative `.ts` specifiers `.js` in what esbuild emitted. It prints one canonical form
 * (double quotes, a statement from the start of a line), and the replacement has the same length,
 * so source maps stay true.
 *
 * @param {string} code
 */
export function rewriteSpecifiers(code) {
  return code
    .replace(/^((?:import|export) [^"'`;]*?from |import )"(\.{1,2}\/[^"\n]+)\.ts"/gm, '$1"$2.js"')
    .replace(/\bimport\("(\.{1,2}\/[^"\n]+)\.ts"\)/g, 'import("$1.js")')
    .replace(/\bnew URL\("(\.{1,2}\/[^"\n]+)\.ts", import\.meta\.url\)/g, (_match, path) => {
      return `new URL("${path}.js", import.meta.url)`;
    });
}

/** What, besides the sources, decides the outputs: this script and the compiler. */
function buildFingerprint(root) {
  const compiler = join(root, 'node_modules', 'esbuild', 'package.json');
  const { mtimeMs } = statSync(fileURLToPath(import.meta.url));
  const lock = existsSync(compiler) ? JSON.parse(readFileSync(compiler, 'utf8')).version : '';
  return `${Math.trunc(mtimeMs)} ${lock}\n`;
}

function isInput(root) {
  return (path) => {
    if (path.endsWith('.ts')) return !path.endsWith('.d.ts');
    return ASSETS.test(path) && !ASSETS_STAY.has(relative(root, path).split(sep)[0]);
  };
}

function outputsOf(root, path) {
  const output = join(root, 'dist', relative(root, path));
  if (!output.endsWith('.ts')) return [output];
  const stem = output.slice(0, -'.ts'.length);
  return [`${stem}.js`, `${stem}.js.map`, `${stem}.d.ts`];
}

function isStale(root, path) {
  const output = outputsOf(root, path)[0];
  const built = statSync(output, { throwIfNoEntry: false });
  return built === undefined || Math.abs(built.mtimeMs - statSync(path).mtimeMs) >= 1;
}

function markStale(folder) {
  for (const path of listFiles(folder)) {
    if (!path.endsWith('.tmp')) utimesSync(path, 0, 0);
  }
}

function removeOrphans(dist, expected) {
  let removed = 0;
  for (const path of FOLDERS.flatMap((folder) => listFiles(join(dist, folder)))) {
    if (expected.has(path)) continue;
    if (path.endsWith('.tmp') && !isOlderThan(path, ORPHAN_MS)) continue;
    rmSync(path, { force: true });
    removed += 1;
  }
  return removed;
}

function isOlderThan(path, ageMs) {
  const found = statSync(path, { throwIfNoEntry: false });
  return found !== undefined && Date.now() - found.ctimeMs > ageMs;
}

function listFiles(folder) {
  let entries;
  try {
    entries = readdirSync(folder, { withFileTypes: true });
  } catch (error) {
    if (error.code === 'ENOENT') return [];
    throw error;
  }
  return entries.flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return entry.name === 'node_modules' ? [] : listFiles(path);
    return entry.isFile() ? [path] : [];
  });
}

function readIfPresent(path) {
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined;
}

function temporaryFor(output) {
  mkdirSync(dirname(output), { recursive: true });
  return `${output}.${String(process.pid)}.tmp`;
}

function writeAtomically(output, text, mtime) {
  const temporary = temporaryFor(output);
  writeFileSync(temporary, text);
  publish(temporary, output, mtime);
}

function publish(temporary, output, mtime) {
  utimesSync(temporary, mtime, mtime);
  renameSync(temporary, output);
}

/** Declarations of the client and of what it names, by the only tool that can make them. */
async function declareTypes(root) {
  const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const project = join(root, 'scripts', 'tsconfig.types.json');
  try {
    await promisify(execFile)(process.execPath, [compiler, '--project', project], { cwd: root });
  } catch (error) {
    throw new Error(`the client's declarations cannot be made\n${error.stdout}`, { cause: error });
  }
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const startedMs = performance.now();
  try {
    const done = await build({ types: process.argv.includes('--types') });
    const tookMs = Math.round(performance.now() - startedMs);
    process.stderr.write(
      `compiled ${done.compiled}, copied ${done.copied}, removed ${done.removed} in ${tookMs} ms\n`,
    );
  } catch (error) {
    process.stderr.write(`build: ${error.message}\n`);
    process.exitCode = 1;
  }
}
