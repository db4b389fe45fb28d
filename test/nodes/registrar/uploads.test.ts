/** Uploads: what nobody takes is removed, and no sooner. */

import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect } from 'chai';

import { localPrincipal } from '../../../actors/domain/principal.ts';
import type { UploadEvent } from '../../../actors/registrar/uploads-port.ts';
import { registrarConfigSchema } from '../../../nodes/registrar/config.ts';
import { Uploads } from '../../../nodes/registrar/uploads.ts';
import type { ActorHost } from '../../../runtime/actor.ts';
import { silentLogger } from '../../../runtime/log.ts';
import { silentMetrics } from '../../../runtime/metrics.ts';
import { createNactHost } from '../../../runtime/nact-host.ts';
import { VirtualClock } from '../../../sim/virtual-clock.ts';
import { until } from '../gateways/until.ts';

describe('an upload', () => {
  const clock = new VirtualClock();
  let host: ActorHost;
  let folder: string;
  let uploads: Uploads;
  let events: UploadEvent[];

  beforeEach(() => {
    folder = join(mkdtempSync(join(tmpdir(), 'infaas-uploads-')), 'uploads');
    host = createNactHost({
      ...{ node: 'controller', clock, seed: 1, log: silentLogger, metrics: silentMetrics },
    });
    const settings = registrarConfigSchema.parse({ uploadIdleMs: 1_000 });
    uploads = new Uploads({ host, clock, log: silentLogger, folder, settings });
    events = [];
  });

  afterEach(async () => {
    uploads.close();
    await host.shutdown();
    rmSync(join(folder, '..'), { recursive: true, force: true });
  });

  async function write(uploadId: string, offset: number): Promise<void> {
    const replyTo = host.port<UploadEvent>(`asker-${String(events.length)}`, (event) => {
      events.push(event);
    });
    const before = events.length;
    host.tell(uploads.port, {
      ...{ type: 'uploads.write-chunk', requestId: 'r', principal: localPrincipal, uploadId },
      ...{ file: 'model.onnx', offset, data: new Uint8Array(4), replyTo },
    });
    await until(() => events.length > before);
  }

  const wait = (ms: number): void => {
    clock.schedule(ms, () => undefined);
    const endMs = clock.nowMs() + ms;
    while (clock.nextDueMs <= endMs) clock.step();
  };

  it('that nobody touches any more goes, and its folder', async () => {
    await write('upload-one', 0);
    wait(600);
    await write('upload-two', 0);
    wait(500);
    expect(await uploads.take('upload-one', localPrincipal)).to.equal(undefined);
    await until(() => readdirSync(folder).length === 1);
    const taken = await uploads.take('upload-two', localPrincipal);
    expect(taken?.files).to.deep.equal(['model.onnx']);
    expect(existsSync(join(taken?.folder ?? '', 'model.onnx'))).to.equal(true);
  });

  it('that is gone on with stays', async () => {
    await write('upload-one', 0);
    for (let at = 1; at <= 5; at += 1) {
      wait(700);
      await write('upload-one', 4 * at);
    }
    expect(await uploads.take('upload-one', localPrincipal)).to.not.equal(undefined);
  });
});
