/**
 * A poison query and a dying engine in a whole system: a model that hangs, and an engine host that
 * aborts, cost that host only; the gateway serves others meanwhile, and every query gets one
 * answer.
 */

import { basename, dirname, join } from 'node:path';
import { writeFileSync } from 'node:fs';

import { expect } from 'chai';
import { stringify } from 'yaml';

import type { Variant } from '../../actors/domain/variant.ts';
import { connect } from '../../client/index.ts';
import { looping, VariantFolder } from '../fixtures/engine-variants.ts';
import { childrenOf, eventually, isAlive, type Process, Stage } from './processes.ts';
import { QueryStream } from './stream.ts';

const served = 'cnn-small-fp32';
const asked = { slo: { accuracyMin: 98 }, timeoutMs: 20_000 };

/** The manifest of a variant that a fixture wrote. */
function manifestOf(variant: Variant): string {
  const { id, profile, file, hardware: _hardware, ...stated } = variant;
  const latencyMs = Object.fromEntries(profile.latency.map(({ batch, ms }) => [batch, ms]));
  const { loadMs, memoryBytes, measuredOn } = profile;
  const manifest = {
    ...stated,
    variant: id,
    file: basename(file.path),
    profile: { loadMs, memoryBytes, measuredOn, latencyMs },
  };
  const path = join(dirname(file.path), `${id}.yaml`);
  writeFileSync(path, stringify(manifest));
  return path;
}

describe('a system with a model that misbehaves', function () {
  this.timeout(60_000);
  let stage: Stage;
  let folder: VariantFolder;
  let system: Process;
  let stream: QueryStream;

  beforeEach(async () => {
    stage = new Stage();
    folder = new VariantFolder();
    const manifest = manifestOf(looping(folder));
    system = await stage.infaas(
      [
        ...['up', '--zoo', '--model', manifest, '--nats', 'embedded', '--port', '0'],
        ...['--data', stage.folder()],
      ],
      {
        worker: { preload: { [served]: 1 } },
        instance: { hangMs: 500, hangFactor: 1 },
      },
    );
    stream = await QueryStream.open(String(system.ready['url']));
    stream.start(50, asked);
    await eventually('digits are answered', () => stream.answered > 20);
  });

  afterEach(async () => {
    stream.close();
    await stage.end();
    folder.remove();
  });

  async function everyDigitAnsweredOnce(): Promise<void> {
    const before = stream.answered;
    await eventually('digits go on being answered', () => stream.answered > before + 50);
    stream.pause();
    await eventually('every digit is answered', () => stream.answered === stream.sent);
    expect(stream.failures()).to.deep.equal([]);
    expect(stream.doubled()).to.deep.equal([]);
  }

  it('kills the engine host of a model that hangs and answers with an error', async () => {
    const client = await connect(String(system.ready['url']));
    const answer = await client.query({
      variant: 'looping',
      inputs: { x: { datatype: 'INT64', shape: [1, 1], data: BigInt64Array.of(2n ** 60n) } },
      timeoutMs: 15_000,
    });
    expect(answer.ok).to.equal(false);
    if (!answer.ok) expect(answer.error.code).to.equal('unavailable');
    await client.close();
    await everyDigitAnsweredOnce();
  });

  it('starts another engine host when one aborts, losing no query', async () => {
    const [host] = childrenOf(system.pid);
    expect(host, 'an engine host').to.be.a('number');
    process.kill(host ?? 0, 'SIGABRT');
    await eventually('the host is gone', () => !isAlive(host ?? 0));
    await everyDigitAnsweredOnce();
    expect(isAlive(system.pid)).to.equal(true);
  });
});
