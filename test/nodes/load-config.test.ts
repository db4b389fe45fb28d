/** Settings from a file and from variables: what is taken, and that nothing is ignored. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { Command } from 'commander';
import { expect } from 'chai';
import { z } from 'zod';

import { createProgram } from '../../nodes/cli/program.ts';
import { defaultPolicy, policies } from '../../actors/policy/policies.ts';
import { configSchema } from '../../nodes/config.ts';
import { flagVariables, loadConfig } from '../../nodes/load-config.ts';
import { ConfigInvalid } from '../../runtime/errors.ts';
import { capturingTerminal } from './cli/capture.ts';

describe('the configuration', () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'infaas-config-'));
  });

  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  function load(written: string | undefined, environment: Record<string, string> = {}) {
    if (written === undefined) return loadConfig({ environment });
    const file = join(folder, 'settings.yaml');
    writeFileSync(file, written);
    return loadConfig({ file, environment });
  }

  function refusal(written: string | undefined, environment: Record<string, string> = {}): string {
    try {
      load(written, environment);
    } catch (error) {
      expect(error).to.be.instanceOf(ConfigInvalid);
      return (error as Error).message;
    }
    throw new Error('it was taken');
  }

  it('takes variables over the file over the defaults, at any depth', () => {
    const config = load('dispatcher: { batchMax: 7, attemptsMax: 3 }\nworker:\n', {
      INFAAS_DISPATCHER_BATCH_MAX: '8',
      INFAAS_DISPATCHER_SELECTION: 'most-accurate',
      INFAAS_WORKER_RELOAD_RESTARTS_MAX: '9',
      INFAAS_WORKER_PRELOAD: '{"v": 2}',
      INFAAS_GATEWAY_TOKEN: '12345',
      INFAAS_ENGINE_LANES: '2',
    });
    expect(config.dispatcher).to.include({ batchMax: 8, attemptsMax: 3, lossesMax: 8 });
    expect(config.dispatcher.selection).to.equal('most-accurate');
    expect(config.worker.reload.restartsMax).to.equal(9);
    expect(config.worker.preload).to.deep.equal({ v: 2 });
    expect(config.gateway.token).to.equal('12345');
    expect(config.engine.lanes).to.equal(2);
  });

  const misspelt: readonly (readonly [string, RegExp])[] = [
    ['dispacher: {}', /settings\.yaml: there is no setting dispacher; did you mean dispatcher\?/],
    ['worker: { preloads: {} }', /there is no setting worker\.preloads; did you mean preload\?/],
    ['worker: { reload: { restartMax: 1 } }', /worker\.reload\.restartMax; did you mean restarts/],
    ['gateway: { tls: { certfiles: a } }', /gateway\.tls\.certfiles; did you mean certFile\?/],
    ['generator: { errorMax: { fp8: 1 } }', /generator\.errorMax\.fp8; known: fp32, fp16/],
    ['lab: { zzzzzzzzzzzz: 1 }', /there is no setting lab\.zzzzzzzzzzzz; known: jobsMax, /],
    ['dispatcher: { batchMax: many }', /settings\.yaml: dispatcher\.batchMax: .*number/],
    ['[1]', /settings\.yaml: expected sections with settings; known: controller, /],
    ['just text', /expected sections with settings/],
  ];
  for (const [written, message] of misspelt) {
    it(`refuses ${written}`, () => {
      expect(refusal(written)).to.match(message);
    });
  }

  it('says all that is wrong at once', () => {
    const lines = refusal('bus: { beatMS: 1, missedMax: 0 }\nnodes: 1').split('\n');
    expect(lines).to.have.length(3);
  });

  it('refuses a variable of no setting, naming the nearest, and a value that does not fit', () => {
    expect(refusal(undefined, { INFAAS_DISPATCHER_IN_FLIGTH_MAX: '1' })).to.match(
      /INFAAS_DISPATCHER_IN_FLIGTH_MAX .*did you mean INFAAS_DISPATCHER_IN_FLIGHT_MAX\?/,
    );
    expect(refusal(undefined, { INFAAS_TOKKEN: 'x' })).to.contain('did you mean INFAAS_TOKEN?');
    expect(refusal(undefined, { INFAAS_BUS_BEAT_MS: 'soon' })).to.match(
      /^INFAAS_BUS_BEAT_MS: bus\.beatMs: /,
    );
  });

  it('knows the variables of all flags', () => {
    const commands: Command[] = [
      createProgram({ terminal: capturingTerminal().terminal, exitCode: 0 }),
    ];
    const variables = new Set<string>();
    for (let command = commands.pop(); command !== undefined; command = commands.pop()) {
      commands.push(...command.commands);
      for (const { envVar } of command.options) if (envVar !== undefined) variables.add(envVar);
    }
    expect([...variables].sort()).to.deep.equal([...flagVariables].sort());
  });

  it('takes a policy as its four parts, but for those that are set themselves', () => {
    const config = load('policy: infaas-released\nworker: { scaling: { policy: steady } }\n', {
      INFAAS_INSTANCE_BATCHING: 'adaptive',
    });
    expect(config.dispatcher.selection).to.equal('infaas-released');
    expect(config.instance.batching).to.equal('adaptive');
    expect(config.worker.scaling.policy).to.equal('steady');
    expect(config.fleet.policy).to.equal(policies['infaas-released'].fleet);
    const byDefault = load(undefined);
    expect(load(`policy: ${defaultPolicy}\n`)).to.deep.equal(byDefault);
    const alone = loadConfig({ environment: {}, policy: 'lean' });
    expect(alone).to.deep.equal(load('policy: lean\n'));
    const named = loadConfig({ environment: { INFAAS_POLICY: 'static' }, policy: 'lean' });
    expect(named).to.deep.equal(load('policy: static\n'));
    expect(refusal('policy: best\n')).to.contain('policy');
  });

  it('has no object that would let an unknown name pass', () => {
    const loose: string[] = [];
    const walk = (schema: z.ZodType, path: string): void => {
      if (schema instanceof z.ZodObject) {
        if (!(schema.def.catchall instanceof z.ZodNever)) loose.push(path);
        for (const [key, inner] of Object.entries(schema.shape)) {
          walk(inner as z.ZodType, `${path}.${key}`);
        }
      } else if (schema instanceof z.ZodArray) {
        walk(schema.element as z.ZodType, `${path}[]`);
      } else if ('unwrap' in schema) {
        walk((schema as z.ZodOptional<z.ZodType>).unwrap(), path);
      }
    };
    walk(configSchema, '');
    expect(loose).to.deep.equal([]);
  });
});
