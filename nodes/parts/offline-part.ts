/** The offline jobs of the controller's node: the actor, and the files and records behind it. */

import { offlineSpec } from '../../actors/offline/behaviour.ts';
import type { Node } from '../node.ts';
import { JobFiles } from '../offline/job-files.ts';
import type { ControllerPart } from './controller-part.ts';
import type { DispatcherPart } from './gateway-part.ts';

export interface Closable {
  close(): Promise<void>;
}

/** Its queries go through the dispatcher of this node. Close it before the store. */
export async function addOffline(
  node: Node,
  { records }: Pick<ControllerPart, 'records'>,
  { dispatcher, desks }: DispatcherPart,
): Promise<Closable> {
  const { host, log, config } = node;
  const files = await JobFiles.open({ host, log, records, settings: config.offline });
  const spec = offlineSpec({
    files: files.port,
    dispatcher,
    stored: () => files.stored(),
    config: config.offline,
  });
  const offline = host.spawn(spec, 'offline');
  desks.add(offline);
  node.failWith(offline);
  return files;
}
