// What the linter holds: TypeScript's strict rules, and where in the tree the world may be touched.
// Which folder may import which is dependency-cruiser's part (.dependency-cruiser.cjs).

import { defineConfig } from 'eslint/config';
import tseslint from 'typescript-eslint';

const TYPESCRIPT = ['**/*.ts'];

/** Time, chance and the process come in through ports, so that the simulator can replace them. */
const WORLD = {
  Date: 'time comes from the context (nowMs) or from the clock port',
  setTimeout: 'use ctx.after or the clock port',
  setInterval: 'use ctx.after or the clock port',
  setImmediate: 'turns belong to the host',
  queueMicrotask: 'turns belong to the host',
  performance: 'time comes from the context (nowMs) or from the clock port',
  process: 'the process belongs to nodes/',
  fetch: 'I/O belongs to nodes/',
  console: 'use the log port',
  crypto: 'randomness comes from the context or from the random port',
};

const BUFFER = { Buffer: 'use Uint8Array: this code runs in a browser too' };

function restrictGlobals(...sets) {
  const globals = Object.entries(Object.assign({}, ...sets));
  return [
    'error',
    {
      globals: globals.map(([name, message]) => ({ name, message })),
      checkGlobalObject: true,
    },
  ];
}

function without(globals, ...names) {
  return Object.fromEntries(Object.entries(globals).filter(([name]) => !names.includes(name)));
}

const NO_CHANCE = [
  'error',
  {
    object: 'Math',
    property: 'random',
    message: 'randomness comes from the context or the random port',
  },
];

const NO_ENVIRONMENT = {
  object: 'process',
  property: 'env',
  message: 'the environment is read in nodes/ only',
};

/** Refuses every package but those named; relative imports are dependency-cruiser's. */
function packagesBut(allowed, message, allowTypeImports = false) {
  const exempt = allowed.length === 0 ? '' : `|(?:${allowed.join('|')})(?:/|$)`;
  return ['error', { patterns: [{ regex: `^(?!\\.{1,2}/${exempt})`, message, allowTypeImports }] }];
}

const NO_DYNAMIC_IMPORT = {
  selector: 'ImportExpression',
  message: 'nothing is loaded lazily here',
};

const SYNCHRONOUS = 'actors are synchronous reducers: an adapter answers with a message';

const NO_ASYNC = [
  { selector: ':function[async=true]', message: SYNCHRONOUS },
  { selector: 'AwaitExpression', message: SYNCHRONOUS },
  { selector: 'ForOfStatement[await=true]', message: SYNCHRONOUS },
  { selector: 'Identifier[name=/^Promise(Like)?$/]', message: SYNCHRONOUS },
];

export default defineConfig(
  { ignores: ['dist/', 'node_modules/', '.infaas/'] },
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },

  {
    files: TYPESCRIPT,
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: {
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname },
    },
    rules: {
      // A default of `assertNever` is already checked by the compiler, case by case.
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', varsIgnorePattern: '^_', caughtErrorsIgnorePattern: '^_' },
      ],
      '@typescript-eslint/no-unnecessary-condition': [
        'error',
        { allowConstantLoopConditions: 'only-allowed-literals' },
      ],
      eqeqeq: 'error',
      'no-var': 'error',
      'prefer-const': 'error',
      'object-shorthand': 'error',
      'no-warning-comments': ['error', { terms: ['todo', 'fixme'] }],

      // Where the presets and the house style differ, the house wins.
      '@typescript-eslint/consistent-type-definitions': 'off',
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true },
      ],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/no-invalid-void-type': 'off',
      '@typescript-eslint/no-extraneous-class': 'off',
      '@typescript-eslint/class-literal-property-style': 'off',
      '@typescript-eslint/no-empty-function': 'off',
      '@typescript-eslint/prefer-for-of': 'off',
      '@typescript-eslint/non-nullable-type-assertion-style': 'off',
      '@typescript-eslint/dot-notation': ['error', { allowIndexSignaturePropertyAccess: true }],
      '@typescript-eslint/unified-signatures': 'off',
    },
  },

  // ---- runtime/: an actor runtime, free of I/O, time and chance
  // ----------------------------------
  {
    files: ['runtime/**/*.ts'],
    rules: {
      'no-restricted-globals': restrictGlobals(WORLD, BUFFER),
      'no-restricted-properties': NO_CHANCE,
      'no-restricted-syntax': ['error', NO_DYNAMIC_IMPORT],
      '@typescript-eslint/no-restricted-imports': packagesBut(
        [],
        'runtime/ imports no package: nact belongs to nact-host.ts, msgpackr to the codecs of wire/',
      ),
    },
  },
  {
    files: ['runtime/nact-host.ts'],
    rules: {
      'no-restricted-globals': restrictGlobals(
        without(WORLD, 'setImmediate', 'performance'),
        BUFFER,
      ),
      '@typescript-eslint/no-restricted-imports': packagesBut(['nact'], 'only nact is hosted here'),
      // nact's Ref<T> is structurally empty.
      '@typescript-eslint/no-generated-empty-object-type': 'off',
      '@typescript-eslint/no-unsafe-class-instance-assignment': 'off',
    },
  },
  {
    files: ['runtime/wire/**/*.ts'],
    rules: {
      '@typescript-eslint/no-restricted-imports': packagesBut(
        ['zod'],
        'runtime/wire/ imports zod alone; msgpackr belongs to its codecs',
      ),
    },
  },
  {
    files: ['runtime/wire/{codec,record-codec}.ts'],
    rules: {
      '@typescript-eslint/no-restricted-imports': packagesBut(
        ['msgpackr', 'zod'],
        'a codec imports msgpackr and zod alone',
      ),
    },
  },

  // ---- actors/: INFaaS itself, synchronous besides
  // -----------------------------------------------
  {
    files: ['actors/**/*.ts'],
    rules: {
      'no-restricted-globals': restrictGlobals(WORLD, BUFFER),
      'no-restricted-properties': NO_CHANCE,
      'no-restricted-syntax': ['error', NO_DYNAMIC_IMPORT, ...NO_ASYNC],
      '@typescript-eslint/no-restricted-imports': packagesBut([], 'actors/ imports no package'),
    },
  },

  // ---- client/: Node and browser
  // -----------------------------------------------------------------
  {
    files: ['client/**/*.ts'],
    rules: {
      'no-restricted-globals': restrictGlobals(
        BUFFER,
        { process: WORLD.process },
        { console: 'a library prints nothing' },
      ),
      'no-restricted-syntax': [
        'error',
        {
          selector: 'ImportExpression > Literal.source[value=/^(?!\\.|(?:ws|nats)$)/]',
          message: 'client/ loads only ws and nats, and only in Node',
        },
        {
          selector: 'ImportExpression > :not(Literal).source',
          message: 'name what is loaded',
        },
      ],
      '@typescript-eslint/no-restricted-imports': packagesBut(
        [],
        'client/ loads ws and nats lazily: a browser has neither',
        true,
      ),
    },
  },

  // ---- nodes/: the world
  // -------------------------------------------------------------------------
  {
    files: ['nodes/**/*.ts'],
    rules: {
      '@typescript-eslint/no-restricted-imports': [
        'error',
        {
          paths: [
            { name: 'nact', message: 'nact belongs to runtime/nact-host.ts' },
            { name: 'msgpackr', message: 'msgpackr belongs to the codecs of runtime/wire/' },
          ],
        },
      ],
    },
  },

  // ---- sim/: virtual time; only its command (loaded by the CLI) reads files and prints
  // -----------
  {
    files: ['sim/**/*.ts'],
    rules: {
      'no-restricted-globals': restrictGlobals(WORLD, BUFFER),
      'no-restricted-properties': NO_CHANCE,
      'no-restricted-syntax': ['error', NO_DYNAMIC_IMPORT],
      '@typescript-eslint/no-restricted-imports': packagesBut(
        [],
        'sim/ imports no package: files are read by sim/command',
      ),
    },
  },
  {
    files: ['sim/command.ts', 'sim/command/**/*.ts'],
    rules: {
      'no-restricted-globals': 'off',
      'no-restricted-syntax': 'off',
      'no-restricted-properties': ['error', { ...NO_ENVIRONMENT }],
      '@typescript-eslint/no-restricted-imports': packagesBut(
        ['node:.*', 'yaml', 'zod'],
        'the simulator’s command imports node:*, yaml and zod alone',
      ),
    },
  },

  {
    // nact's Ref<T> is structurally empty.
    files: ['bench/raw-nact.ts'],
    rules: { '@typescript-eslint/no-generated-empty-object-type': 'off' },
  },

  // ---- tests, benchmarks and examples may import anything
  // ----------------------------------------
  {
    files: ['test/**/*.ts'],
    rules: {
      '@typescript-eslint/no-unused-expressions': 'off',
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/unbound-method': 'off',
    },
  },

  // ---- plain JavaScript
  // --------------------------------------------------------------------------
  {
    files: ['**/*.{js,cjs}'],
    rules: {
      eqeqeq: 'error',
      'no-unused-vars': ['error', { argsIgnorePattern: '^_' }],
      'no-var': 'error',
      'prefer-const': 'error',
    },
  },
);
