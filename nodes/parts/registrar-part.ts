/** The registrar part of the controller's node: the actor, and what its steps are done with. */

import { join } from 'node:path';

import type { ControllerMessage } from '../../actors/controller/protocol.ts';
import { registrarSpec } from '../../actors/registrar/behaviour.ts';
import type { RegistrarMessage } from '../../actors/registrar/protocol.ts';
import type { WriteChunk } from '../../actors/registrar/uploads-port.ts';
import { type Ref, refOf } from '../../runtime/actor.ts';
import { createModelLab } from '../lab/lab.ts';
import { controllerNode } from '../membership.ts';
import type { Node } from '../node.ts';
import { StepRunner } from '../registrar/steps.ts';
import { Uploads } from '../registrar/uploads.ts';

/** Where gateways of any node find them. */
export const registrarRef = refOf<RegistrarMessage>(controllerNode, 0, '/registrar');
export const uploadsRef = refOf<WriteChunk>(controllerNode, 0, '/uploads');

export interface RegistrarPart {
  readonly registrar: Ref<RegistrarMessage>;
  close(): Promise<void>;
}

export function addRegistrar(
  node: Node,
  controller: Ref<ControllerMessage>,
  dataDir: string,
): RegistrarPart {
  const { host, clock, log, config } = node;
  const settings = config.registrar;
  const lab = createModelLab(config.lab, log);
  const uploads = new Uploads({
    ...{ host, clock, log, settings },
    folder: join(dataDir, 'uploads'),
  });
  const steps = new StepRunner({
    ...{ host, clock, log, lab, uploads, config },
    modelsFolder: join(dataDir, 'models'),
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
  return {
    registrar,
    close: async () => {
      steps.close();
      await lab.close();
      uploads.close();
    },
  };
}
