// A mocha reporter for people and for scripts: one line a file's outermost suite, with what it took
// where that is over a second, every failure in full, and `N passed, N failed` alone on the very
// last line (`, N skipped` follows when tests are pending). Plain CommonJS, because mocha loads it
// before anything is compiled.

'use strict';

const Mocha = require('mocha');

const { EVENT_SUITE_BEGIN, EVENT_SUITE_END, EVENT_TEST_PASS, EVENT_TEST_FAIL } =
  Mocha.Runner.constants;
const { EVENT_TEST_PENDING, EVENT_RUN_END } = Mocha.Runner.constants;

const LEAK_MS = 15_000;
const LONG_MS = 1_000;

class TallyReporter extends Mocha.reporters.Base {
  #passed = 0;
  #pending = 0;
  #failures = [];
  /** What the line of the current outermost suite holds so far. */
  #dots = '';
  #begunMs = 0;

  constructor(runner, options) {
    super(runner, options);
    runner
      .on(EVENT_SUITE_BEGIN, (suite) => {
        if (!isOutermost(suite)) return;
        this.#dots = '';
        this.#begunMs = performance.now();
      })
      .on(EVENT_SUITE_END, (suite) => {
        if (isOutermost(suite)) print(`  ${suite.title}  ${this.#dots}${this.#took()}`);
      })
      .on(EVENT_TEST_PASS, () => {
        this.#passed += 1;
        this.#dots += '.';
      })
      .on(EVENT_TEST_PENDING, () => {
        this.#pending += 1;
        this.#dots += '-';
      })
      .on(EVENT_TEST_FAIL, (test, error) => {
        this.#failures.push({ test, error });
        this.#dots += '!';
      })
      .once(EVENT_RUN_END, () => this.#conclude());
  }

  #took() {
    const tookMs = performance.now() - this.#begunMs;
    return tookMs < LONG_MS ? '' : `  ${(tookMs / 1_000).toFixed(1)} s`;
  }

  #conclude() {
    this.#failures.forEach(({ test, error }, at) => {
      print(`\n${at + 1}) ${test.titlePath().join(' > ')}`);
      if (test.file) print(`   in ${test.file}`);
      print(indent(describe(error)));
    });
    // Later than anything that the last test's clean-up, or a process of its own, still prints.
    process.once('exit', () => print(this.#tally()));
    setTimeout(() => this.#leak(), LEAK_MS).unref();
  }

  /** Tests that leave something running keep the process alive: said, and a failure. */
  #leak() {
    this.#failures.push({});
    const open = process.getActiveResourcesInfo().join(', ');
    print(`\n${this.#failures.length}) something still runs after the last test: ${open}`);
    // mocha sets the code at exit, to the number of failures that it saw.
    process.once('exit', () => {
      process.exitCode = 1;
    });
    process.exit();
  }

  #tally() {
    const skipped = this.#pending > 0 ? `, ${this.#pending} skipped` : '';
    return `\n${this.#passed} passed, ${this.#failures.length} failed${skipped}`;
  }
}

function isOutermost(suite) {
  return !suite.root && suite.parent?.root === true;
}

function describe(error) {
  if (!(error instanceof Error)) return String(error);
  const lines = [error.stack ?? `${error.name}: ${error.message}`];
  const comparable = 'expected' in error && 'actual' in error && error.showDiff !== false;
  if (comparable) {
    lines.push(difference(error.actual, error.expected));
  }
  if (error.cause !== undefined) lines.push(`caused by: ${describe(error.cause)}`);
  for (const inner of error.errors ?? []) lines.push(`one of: ${describe(inner)}`);
  return lines.join('\n');
}

/** mocha compares objects, or strings: anything else is shown as a string. */
function difference(actual, expected) {
  const comparable = ['object', 'string'].includes(typeof actual);
  const shown =
    comparable && typeof actual === typeof expected && actual !== null && expected !== null
      ? [actual, expected]
      : [actual, expected].map((value) => Mocha.utils.stringify(value));
  return Mocha.reporters.Base.generateDiff(...shown).trimEnd();
}

function indent(text) {
  return text.replace(/^/gm, '   ');
}

/** Synchronous, so that nothing is lost or reordered when the process ends. */
function print(line) {
  require('node:fs').writeSync(1, `${line}\n`);
}

module.exports = TallyReporter;
