/** The registrar part of the controller's node: the actor, and what its steps are done with. */

import { join } from 'node:path';

import type { ControllerMessage } from '../../actors/controller/protocol.ts';
import type { ModelFile } from '../../actors/domain/variant.ts';
import { registrarSpec } from '../../actors/registrar/behaviour.ts';
import type { RegistrarMessage } from '../../actors/registrar/protocol.ts';
import type { WriteChunk } from '../../actors/registrar/uploads-port.ts';
import { type Ref, refOf } from '../../runtime/actor.ts';
import { messageOf } from '../../runtime/errors.ts';
import type { Logger } from '../../runtime/log.ts';
import { createModelLab } from '../lab/lab.ts';
import { controllerNode } from '../membership.ts';
import type { Node } from '../node.ts';
import { KeptModels } from '../registrar/kept-models.ts';
import { RemoteProfiling } from '../registrar/remote-profiling.ts';
import { StepRunner } from '../registrar/steps.ts';
import { Uploads } from '../registrar/uploads.ts';
import { openDirectoryRepository } from '../stores/directory-repository.ts';
import { openSharedRepository } from './model-files-part.ts';

/** Where gateways of any node find them. */
export const uploadsRef = refOf<WriteChunk>(controllerNode, 0, '/uploads');

export interface RegistrarPart {
  readonly registrar: Ref<RegistrarMessage>;
  /** Sees to it that workers of other machines can fetch these, in its own time. */
  readonly publish: (files: readonly ModelFile[]) => void;
  readonly close: () => Promise<void>;
}

export async function addRegistrar(
  node: Node,
  controller: Ref<ControllerMessage>,
  dataDir: string,
): Promise<RegistrarPart> {
  const { host, clock, log, config } = node;
  const settings = config.registrar;
  const lab = createModelLab(config.lab, log);
  const uploads = new Uploads({
    ...{ host, clock, log, settings },
    folder: join(dataDir, 'uploads'),
  });
  const folder = join(dataDir, 'models');
  const repository = openDirectoryRepository({ folder, clock });
  const kept = new KeptModels({ repository, folder, shared: await openSharedRepository(node) });
  const { hangMs, startTimeoutMs } = config.lab;
  // As long as a job there may be silent, and its start, and the fetching of its model.
  const silentMs = 2 * (hangMs + startTimeoutMs);
  const remote = new RemoteProfiling(host, clock, silentMs);
  const steps = new StepRunner({
    ...{ host, clock, log, lab, uploads, kept, config, remote },
    workFolder: join(dataDir, 'work'),
  });
  const spec = registrarSpec({
    controller,
    steps: steps.port,
    mailboxMax: config.controller.mailboxMax,
    config: { ...settings, profileMs: config.lab.profileMs },
  });
  const registrar = host.spawn(spec, 'registrar');
  node.failWith(registrar);
  let publishing = Promise.resolve();
  return {
    registrar,
    publish: (files) => {
      publishing = publishing.then(() => publish(kept, files, log));
    },
    close: async () => {
      steps.close();
      remote.close();
      await publishing;
      await lab.close();
      uploads.close();
    },
  };
}

/** What fails costs workers elsewhere these models, and nobody else anything. */
async function publish(kept: KeptModels, files: readonly ModelFile[], log: Logger): Promise<void> {
  try {
    const blobs = await kept.publish(files);
    if (blobs > 0) log.info('models are in the shared repository', { blobs });
  } catch (error) {
    log.warn('models could not be put into the shared repository', { error: messageOf(error) });
  }
}
