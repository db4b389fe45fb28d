/** The user's command as a provisioner: what it is given, and what its end means. */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect } from 'chai';

import type { FleetMessage, ProvisionerCommand } from '../../actors/fleet-autoscaler/protocol.ts';
import { createCommandProvisioner } from '../../nodes/adapters/provisioners/command.ts';
import { silentLogger } from '../../runtime/log.ts';
import { createSimulation } from '../../sim/sim-host.ts';

describe('a command that provisions', () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'infaas-command-'));
  });

  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  /** Runs the script for the command; resolves with why it was refused, if it was by then. */
  async function ask(script: string, command: object): Promise<string | undefined> {
    const path = join(folder, 'provision');
    writeFileSync(path, `#!/bin/sh\n${script}\ntouch ${folder}/done\n`, { mode: 0o755 });
    const simulation = createSimulation({ seed: 1 });
    const host = simulation.host('controller');
    let why: string | undefined;
    const replyTo = host.port<FleetMessage>('fleet', (message) => {
      if (message.type === 'fleet.worker-refused') why = message.why;
    });
    const provisioner = createCommandProvisioner({
      ...{ host, command: path, natsUrl: 'nats://here', timeoutMs: 5_000, log: silentLogger },
    });
    host.tell(provisioner, { ...command, replyTo } as ProvisionerCommand);
    simulation.settle();
    for (let tries = 0; tries < 200 && why === undefined && !exists('done'); tries += 1) {
      await new Promise((resolve) => setTimeout(resolve, 25));
      simulation.settle();
    }
    return why;
  }

  function exists(name: string): boolean {
    try {
      readFileSync(join(folder, name));
      return true;
    } catch {
      return false;
    }
  }

  const add = {
    type: 'provisioner.add-worker',
    name: 'cloud-1',
    wanted: { kind: 'cpu', units: 2, memoryBytes: undefined },
  };

  it('gets what is wanted as JSON on its standard input', async () => {
    expect(await ask(`cat > ${folder}/given`, add)).to.equal(undefined);
    expect(JSON.parse(readFileSync(join(folder, 'given'), 'utf8'))).to.deep.equal({
      do: 'add',
      name: 'cloud-1',
      nats: 'nats://here',
      hardware: { kind: 'cpu', units: 2 },
    });
  });

  it('gets the name of what is to be removed', async () => {
    await ask(`cat > ${folder}/given`, { type: 'provisioner.remove-worker', name: 'cloud-1' });
    expect(JSON.parse(readFileSync(join(folder, 'given'), 'utf8'))).to.deep.equal({
      do: 'remove',
      name: 'cloud-1',
    });
  });

  it('refuses by its exit code, and says why on its standard error', async () => {
    const why = await ask('echo no money left >&2; exit 3', add);
    expect(why).to.match(/provision ended with exit code 3: no money left$/);
  });
});
