// What no compiler and no linter says about the source tree: that each file says what it is, stays
// one idea long, and that actors/ is free of time, chance and I/O. After tigerbeetle's tidy.zig.

import { readFileSync, readdirSync } from 'node:fs';
import { basename, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { AssertionError } from 'chai';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const SOURCES = ['runtime', 'actors', 'nodes', 'client', 'sim'];
const CODE = [...SOURCES, 'test', 'bench', 'examples', 'zoo', 'scripts'];

const LINES_MAX = 500;
const COLUMNS_MAX = 100;

interface SourceFile {
  readonly path: string;
  readonly lines: readonly string[];
}

/** A rule sees one line, and answers whether it offends. */
type LineRule = (line: string) => boolean;

// Character classes, so that this file does not offend against its own rules.
const UNFINISHED = /\b(?:TO[D]O|FIX[M]E)\b/;
const EXCLUSIVE = /\b(?:describe|context|suite|it|specify|test)\.on[l]y\(/;
const VAGUE_NAME = /(?:^|[-.])(?:utils?|helpers?|managers?)(?:[-.]|$)/;
const WORLD = new RegExp(
  [
    /\b(?:async|await)\b/,
    /\b(?:Date\.now|Math\.random|process\.)/,
    /\bset(?:Timeout|Interval|Immediate)\b/,
    /from 'node:/,
  ]
    .map(({ source }) => source)
    .join('|'),
);

describe('the source tree', () => {
  const sources = SOURCES.flatMap(readTree);
  const code = CODE.flatMap(readTree);

  it('says on its first line what each file is', () => {
    expectNone(sources.filter(({ lines }) => !startsWithComment(lines)).map(pathOf));
  });

  it(`keeps every file within ${LINES_MAX} lines`, () => {
    const long = code.filter(({ lines }) => lines.length > LINES_MAX);
    expectNone(long.map(({ path, lines }) => `${path}: ${lines.length}`));
  });

  it(`keeps every line within ${COLUMNS_MAX} columns, addresses aside`, () => {
    expectNone(offences(code, isWide));
  });

  it('holds nothing unfinished', () => {
    expectNone(offences(code, (line) => UNFINISHED.test(line)));
  });

  it('runs every test, not one alone', () => {
    expectNone(offences(code, (line) => EXCLUSIVE.test(line)));
  });

  it('names files for what they hold', () => {
    expectNone(code.filter(({ path }) => VAGUE_NAME.test(stem(path))).map(pathOf));
  });

  it('keeps time, chance, I/O and promises out of actors/', () => {
    const actors = sources.filter(({ path }) => path.startsWith('actors/'));
    expectNone(offences(actors, (line) => WORLD.test(withoutComment(line))));
  });
});

/** Names what offends, each on a line of its own: chai's difference would hide it. */
function expectNone(offenders: readonly string[]): void {
  if (offenders.length > 0) {
    throw new AssertionError(`${offenders.length} in all:\n${offenders.join('\n')}`);
  }
}

function offences(files: readonly SourceFile[], offends: LineRule): string[] {
  return files.flatMap(({ path, lines }) =>
    lines.flatMap((line, at) => (offends(line) ? [`${path}:${at + 1}: ${line.trim()}`] : [])),
  );
}

function readTree(folder: string): SourceFile[] {
  return list(join(ROOT, folder))
    .filter((path) => path.endsWith('.ts'))
    .sort()
    .map((path) => ({
      path: relative(ROOT, path),
      lines: readFileSync(path, 'utf8').replace(/\n$/, '').split('\n'),
    }));
}

function list(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? list(path) : [path];
  });
}

/** A `//` or `/*` comment of more than a word or two; a line for the shell may stand before it. */
function startsWithComment(lines: readonly string[]): boolean {
  const from = lines[0]?.startsWith('#!') === true ? 1 : 0;
  const opening = lines.slice(from, from + 3).join(' ');
  return /^(?:\/\/|\/\*\*?) ?\s*(?:\*\s*)?\S+(?:\s+\S+){2,}/.test(opening);
}

function withoutComment(line: string): string {
  return /^\s*(?:\/\/|\*|\/\*)/.test(line) ? '' : line.replace(/\s\/\/\s.*$/, '');
}

function isWide(line: string): boolean {
  return width(line) > COLUMNS_MAX && !/https?:\/\//.test(line);
}

function width(line: string): number {
  return Array.from(line).length;
}

function stem(path: string): string {
  return basename(path).replace(/(?:\.test)?\.ts$/, '');
}

function pathOf({ path }: SourceFile): string {
  return path;
}
