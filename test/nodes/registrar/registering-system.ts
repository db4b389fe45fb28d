/**
 * A whole system that models are registered with, in this process: controller, registrar with its
 * lab, a worker, and the client over a real WebSocket.
 */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { connect, type InfaasClient } from '../../../client/index.ts';
import { type RunningSystem, startSystem } from '../../../nodes/standalone.ts';

export interface RegisteringSystem {
  readonly client: InfaasClient;
  readonly url: string;
  readonly folder: string;
  close(): Promise<void>;
}

/** `config` goes over settings that keep a registration short. */
export async function startRegisteringSystem(config: object = {}): Promise<RegisteringSystem> {
  const folder = mkdtempSync(join(tmpdir(), 'infaas-registering-'));
  const configFile = join(folder, 'config.yaml');
  const short = { lab: { profileMs: 300 }, registrar: { quickProfileMs: 150 } };
  writeFileSync(configFile, JSON.stringify({ ...short, ...config }));
  let system: RunningSystem | undefined;
  try {
    system = await startSystem({
      ...{ zoo: true, models: [], nats: 'embedded', workers: 1, port: 0 },
      ...{ dataDir: join(folder, 'data'), configFile, logLevel: 'silent' },
    });
    const { url, close } = system;
    const client = await connect(url);
    return {
      ...{ client, url, folder },
      close: async () => {
        await client.close();
        await close();
        rmSync(folder, { recursive: true, force: true });
      },
    };
  } catch (error) {
    await system?.close();
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
}
