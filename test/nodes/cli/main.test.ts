/** The command line as people type it: help, typos, exit codes, and what goes to which stream. */

import { createServer } from 'node:net';

import { expect } from 'chai';

import { run } from './capture.ts';

const listed = [
  'demo',
  'up',
  'controller',
  'worker',
  'gateway',
  'register',
  'unregister',
  'agent',
  'tasks',
  'architectures',
  'variants',
  'workers',
  'instances',
  'query',
  'explain',
  'quote',
  'watch',
  'load',
  'offline',
  'simulate',
];

describe('infaas --help', () => {
  it('lists the commands of this version and no others', async () => {
    const { code, out } = await run('--help');
    expect(code).to.equal(0);
    const names = [...out.matchAll(/^ {2}([a-z]+)(?: \[[a-z-]+\]| <[a-z-]+>)* {2,}\S/gm)].map(
      ([, name]) => name,
    );
    expect(names.filter((name) => name !== 'help')).to.deep.equal(listed);
  });

  for (const command of listed) {
    it(`shows an example of ${command}, on stdout`, async () => {
      const { code, out, err } = await run(command, '--help');
      expect(code).to.equal(0);
      expect(out).to.match(new RegExp(`Examples:\\n {2}\\$ infaas ${command}`));
      expect(out).to.contain('--json');
      expect(err).to.equal('');
    });
  }

  it('is shown on stderr, with exit code 2, when there is no command', async () => {
    const { code, out, err } = await run();
    expect(code).to.equal(2);
    expect(out).to.equal('');
    expect(err).to.contain('Commands:');
  });

  it('knows its version', async () => {
    const { code, out } = await run('--version');
    expect(code).to.equal(0);
    expect(out).to.match(/^\d+\.\d+\.\d+/);
  });
});

describe('a command line that is wrong', () => {
  const cases: readonly (readonly [string, readonly string[], RegExp])[] = [
    ['suggests the nearest command', ['querry'], /unknown command 'querry'; did you mean query\?/],
    ['suggests the nearest flag', ['query', '--latncy', '3'], /--latncy.*did you mean --latency\?/],
    ['suggests it for nodes too', ['worker', '--natss', 'x'], /--natss.*did you mean --nats\?/],
    ['refuses arguments too many', ['variants', 'a', 'b'], /too many arguments/],
    ['wants an input', ['query', '--task', 't'], /--input FILE/],
    ['wants something to ask', ['query', '--input', 'x.json'], /--task T .*--variant V/],
    [
      'refuses two things to ask',
      ['query', '--task', 't', '--variant', 'v', '--input', 'x'],
      /--task and --variant exclude each other/,
    ],
    [
      'refuses a dataset without a task',
      ['query', '--variant', 'v', '--dataset', 'd', '--input', 'x'],
      /--dataset goes with --task/,
    ],
    [
      'refuses an accuracy above 100',
      ['query', '--task', 't', '--accuracy', '101', '--input', 'x'],
      /--accuracy.*from 0 to 100/,
    ],
    ['refuses a latency of 0', ['query', '--latency', '0'], /--latency.*greater than 0/],
    ['names the choices', ['query', '--on-miss', 'drop'], /best-effort, reject/],
    [
      'refuses two systems',
      ['tasks', '--url', 'ws://a:1', '--nats', 'nats://b:2'],
      /--url and --nats each name a system/,
    ],
    ['tells a NATS URL from a WebSocket one', ['tasks', '--url', 'nats://b:2'], /with --nats/],
    ['wants a load', ['load', '--task', 't'], /--rate QPS, --concurrency N or --trace FILE/],
    ['says all that a load needs', ['load'], /what to ask and how much: .*--task T .*--rate QPS/],
    [
      'refuses two kinds of load',
      ['load', '--task', 't', '--rate', '1', '--concurrency', '1'],
      /--rate and --concurrency exclude each other/,
    ],
    [
      'refuses options of another kind of load',
      ['load', '--task', 't', '--rate', '1', '--scale', '2'],
      /--scale and --step go with --trace/,
    ],
    [
      'refuses processes without NATS',
      ['up', '--workers', '2', '--nats', 'embedded'],
      /--workers 2 means processes, which need NATS/,
    ],
    ['suggests the nearest bus', ['up', '--nats', 'embeded'], /Did you mean embedded\?/],
    ['refuses a port that is none', ['up', '--port', '65536'], /from 0 to 65535/],
    ['wants to know which system to join', ['worker'], /--nats nats:\/\/HOST:4222/],
    ['refuses a name that is no name', ['worker', '--name', 'a/b'], /--name.*letters, digits/],
    ["refuses the controller's own name", ['gateway', '--name', 'controller'], /controller's own/],
    [
      'refuses cores that the machine lacks',
      ['worker', '--nats', 'nats://127.0.0.1:1', '--cores', '0-4096'],
      /--cores "0-4096": give core numbers from 0 to \d/,
    ],
    ...['0', '100MiB', '4096TiB', 'much'].map(
      (memory) =>
        [
          'refuses memory that is none, too little, or more than there is',
          ['up', '--memory', memory],
          /--memory "\w+": give (more than 200MiB.*, and at most \d+\.\dGiB|a size)/,
        ] as const,
    ),
    [
      'refuses a system open to others without a token',
      ['up', '--host', '0.0.0.0'],
      /0\.0\.0\.0 is open to other machines and needs a token/,
    ],
    [
      'refuses a configuration that is not there',
      ['up', '--config', '/no/such.yaml'],
      /such\.yaml/,
    ],
  ];
  for (const [what, argv, message] of cases) {
    it(`${what}: infaas ${argv.join(' ')}`, async () => {
      const { code, out, err } = await run(...argv);
      expect(err).to.match(message);
      expect(code).to.equal(2);
      expect(out).to.equal('');
    });
  }

  it('is one JSON document too with --json', async () => {
    for (const argv of [['worker', '--name', 'a/b'], ['query'], ['variants', '--urll', 'x']]) {
      const { code, out } = await run(...argv, '--json');
      expect(code).to.equal(2);
      expect(JSON.parse(out)).to.have.nested.property('error.code', 'usage');
    }
  });
});

describe('a system that is not there', () => {
  it('is told of with what to do, and exit code 1', async () => {
    const url = `ws://127.0.0.1:${String(await freePort())}`;
    const { code, out, err } = await run('tasks', '--url', url);
    expect(code).to.equal(1);
    expect(out).to.equal('');
    expect(err).to.match(/no system answers at .*ECONNREFUSED/);
    expect(err).to.contain('infaas up --zoo');
  });

  it('is one JSON document with --json', async () => {
    const url = `ws://127.0.0.1:${String(await freePort())}`;
    const { code, out } = await run('variants', '--json', '--url', url);
    expect(code).to.equal(1);
    expect(JSON.parse(out)).to.have.nested.property('error.code', 'unavailable');
  });

  it('is told of over NATS alike', async () => {
    const url = `nats://127.0.0.1:${String(await freePort())}`;
    const { code, err } = await run('tasks', '--nats', url);
    expect(code).to.equal(1);
    expect(err).to.contain(`infaas controller --nats ${url}`);
  });
});

describe('the environment', () => {
  const before = { ...process.env };

  afterEach(() => {
    for (const name of ['INFAAS_URL', 'INFAAS_NATS']) {
      if (before[name] === undefined) Reflect.deleteProperty(process.env, name);
      else process.env[name] = before[name];
    }
  });

  it('names the system', async () => {
    process.env['INFAAS_URL'] = `ws://127.0.0.1:${String(await freePort())}`;
    const { err } = await run('tasks');
    expect(err).to.contain(process.env['INFAAS_URL']);
  });

  it('gives way to a flag', async () => {
    process.env['INFAAS_NATS'] = 'nats://127.0.0.1:1';
    const url = `ws://127.0.0.1:${String(await freePort())}`;
    const { err } = await run('tasks', '--url', url);
    expect(err).to.contain(url);
  });

  it('is checked as flags are', async () => {
    process.env['INFAAS_URL'] = 'here';
    const { code, err } = await run('tasks');
    expect(code).to.equal(2);
    expect(err).to.contain('INFAAS_URL');
  });
});

/** A port that nobody listens on. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => {
        resolve(typeof address === 'object' ? (address?.port ?? 0) : 0);
      });
    });
  });
}
