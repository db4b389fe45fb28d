/**
 * How a simulated node joins, in place of `nodes/membership.ts`: asks the controller for an epoch
 * until it answers, again after a stall, and attaches what lives on it whenever a controller comes
 * up or asks.
 */

import type { ControllerMessage, JoinOutcome } from '../../actors/controller/protocol.ts';
import { refOf } from '../../runtime/actor.ts';
import type { SimNode } from './network.ts';

export const controllerNode = 'controller';
export const controllerRef = refOf<ControllerMessage>(controllerNode, 0, '/controller');

const askAgainMs = 500;

/** @param attachments What lives here; may be added to until the node has joined. */
export function joinSystem(node: SimNode, attachments: readonly ControllerMessage[]): void {
  const { host, remoting } = node;
  let asked = 0;
  let asking: string | undefined;
  const attach = (): void => {
    if (host.epoch === 0) return;
    for (const message of attachments) host.tell(controllerRef, message);
  };
  const replyTo = host.port<JoinOutcome>('join', (outcome) => {
    if (outcome.type === 'node.attach-wanted') {
      attach();
      return;
    }
    if (outcome.requestId !== asking) return;
    // Refused: whoever holds the name may be gone when it asks again.
    if (outcome.type === 'node.join-refused') return;
    asking = undefined;
    if (outcome.epoch > host.epoch) remoting?.setEpoch(outcome.epoch);
    attach();
  });
  const ask = (requestId: string): void => {
    if (asking !== requestId) return;
    host.tell(controllerRef, {
      type: 'controller.join-node',
      requestId,
      node: node.name,
      incarnation: `${node.name} ${String(node.life)}`,
      kind: node.kind,
      epochSeen: host.epoch,
      replyTo,
    });
    host.clock.schedule(askAgainMs, () => {
      ask(requestId);
    });
  };
  const askAnew = (): void => {
    asked += 1;
    asking = `join ${String(asked)}`;
    ask(asking);
  };
  node.onStalled = askAnew;
  remoting?.onNode((event) => {
    if (event.type === 'up' && event.kind === 'controller') attach();
  });
  remoting?.onLoss((lost) => {
    if (lost === undefined || lost === controllerNode) attach();
  });
  if (host.epoch === 0) askAnew();
}
