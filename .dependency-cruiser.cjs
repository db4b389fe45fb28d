// Which folder may import which: imports point one way.
//
//  runtime <- actors/domain <- actors/policy <- actors/* <- {nodes, sim} <- {test, bench, examples}
//
// Which package may be imported where, and which globals, is the linter's part (eslint.config.js).

const INNER = '^(?:runtime|actors|nodes|client|sim)/';

/** Our own tree: every path that is not a package's, a builtin's or an output's. */
const OURS = '^(?:runtime|actors|nodes|client|sim|test|bench|examples|zoo|scripts|bin|dist)/';

/**
 * Who supervises whom. A parent may import the behaviour.ts of what it spawns; between any other
 * two actors there is only protocol.ts, and the ports (`engine-port.ts`) that adapters speak.
 */
const CHILDREN = {
  worker: ['instance', 'monitor', 'model-autoscaler'],
};

const PROTOCOLS = '^actors/[^/]+/(?:protocol|[a-z-]*port)\\.ts$';

/** @returns a rule: files matching `from` import, of our own tree, nothing but `allowed`. */
function only(name, comment, from, allowed) {
  return {
    name,
    comment,
    severity: 'error',
    from,
    to: { path: OURS, pathNot: allowed },
  };
}

module.exports = {
  forbidden: [
    {
      name: 'no-circles',
      comment: 'Two files that need each other are one idea, or lack a third.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'resolvable',
      comment: 'An import that leads nowhere.',
      severity: 'error',
      from: {},
      // `dist/` is an output: it may not have been made yet.
      to: { couldNotResolve: true, pathNot: '(?:^|/)dist/|^infaas/client$' },
    },
    {
      name: 'no-development-packages',
      comment: 'What is shipped runs with "dependencies" alone.',
      severity: 'error',
      from: { path: '^(?:runtime|actors|nodes|client|sim|bin|scripts)/' },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg'], dependencyTypesNot: ['type-only'] },
    },
    only('runtime', 'The runtime knows nothing of inference.', { path: '^runtime/' }, [
      '^runtime/',
    ]),
    only('domain', 'The vocabulary stands on the runtime alone.', { path: '^actors/domain/' }, [
      '^runtime/',
      '^actors/domain/',
    ]),
    only(
      'policy',
      'A policy is a pure function over the vocabulary: it knows no actor.',
      { path: '^actors/policy/' },
      ['^runtime/', '^actors/(?:domain|policy)/'],
    ),
    only(
      'actors',
      'An actor knows runtime, vocabulary and policies; of another actor its protocol.ts.',
      {
        path: '^actors/(?!domain/|policy/)([^/]+)/',
        pathNot: `^actors/(?:${Object.keys(CHILDREN).join('|')})/`,
      },
      ['^runtime/', '^actors/(?:domain|policy)/', '^actors/$1/', PROTOCOLS],
    ),
    ...Object.entries(CHILDREN).map(([parent, children]) =>
      only(
        `actors-${parent}`,
        `The ${parent} spawns ${children.join(', ')}; of any other actor it knows protocol.ts.`,
        { path: `^actors/${parent}/` },
        [
          '^runtime/',
          '^actors/(?:domain|policy)/',
          `^actors/${parent}/`,
          `^actors/(?:${children.join('|')})/behaviour\\.ts$`,
          PROTOCOLS,
        ],
      ),
    ),
    only(
      'client',
      'The client shares the wire and the vocabulary with the system, nothing else.',
      { path: '^client/' },
      ['^client/', '^runtime/wire/', '^actors/domain/'],
    ),
    only('sim', 'The simulator replaces nodes/: it uses nothing of it.', { path: '^sim/' }, [
      '^sim/',
      '^runtime/',
      '^actors/',
    ]),
    only(
      'nodes',
      'Roots and adapters stand on everything inner; only the CLI reaches the simulator.',
      { path: '^nodes/', pathNot: '^nodes/cli/' },
      ['^nodes/', '^runtime/', '^actors/', '^client/'],
    ),
    only(
      'cli',
      'The CLI stands on everything inner, and on the simulator.',
      { path: '^nodes/cli/' },
      [INNER],
    ),
    {
      name: 'simulator-lazily',
      comment: 'The CLI loads the simulator only when it is asked for: by import().',
      severity: 'error',
      from: { path: '^nodes/cli/' },
      to: { path: '^sim/', dynamic: false, dependencyTypesNot: ['type-only'] },
    },
    only(
      'zoo',
      'How the demo models are made and measured depends on packages, not on the system.',
      { path: '^zoo/' },
      ['^zoo/'],
    ),
    only('scripts', 'A script runs before anything is compiled.', { path: '^scripts/' }, [
      '^scripts/',
    ]),
    only('bin', 'The command compiles, then hands over to dist/.', { path: '^bin/' }, [
      '^scripts/build\\.js$',
      '^dist/nodes/cli/main\\.js$',
    ]),
    {
      name: 'examples-use-the-client',
      comment: 'An example shows what a user of the package can write.',
      severity: 'error',
      from: { path: '^examples/' },
      to: { path: '^(?:test|bench|zoo|scripts|bin)/' },
    },
  ],
  options: {
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    detectProcessBuiltinModuleCalls: false,
    doNotFollow: { path: ['node_modules', '^dist/'] },
    exclude: { path: '^(?:zoo|bench|examples)/.*\\.py$' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
      extensions: ['.ts', '.js', '.cjs', '.json', '.d.ts'],
    },
  },
};
