/**
 * Joining: asks the controller for an epoch until it answers, and again after a stall; attaches
 * this node's parts whenever the controller comes up or asks, so that a restarted one learns of
 * them.
 */

import { randomUUID } from 'node:crypto';

import { refOf } from '../runtime/actor.ts';
import { NodeRefused } from '../runtime/errors.ts';
import type { ControllerMessage, JoinOutcome } from '../actors/controller/protocol.ts';
import type { FleetMessage } from '../actors/fleet-autoscaler/protocol.ts';
import type { OfflineMessage } from '../actors/offline/protocol.ts';
import type { RegistrarMessage } from '../actors/registrar/protocol.ts';
import type { Node } from './node.ts';

export const controllerNode = 'controller';
export const fleetRef = refOf<FleetMessage>(controllerNode, 0, '/fleet-autoscaler');
/** Of the worker on every worker's node. */
export const workerPath = '/worker';
/** Of the records on every gateway's node. */
export const recordsPath = '/records';
export const offlineRef = refOf<OfflineMessage>(controllerNode, 0, '/offline');
export const registrarRef = refOf<RegistrarMessage>(controllerNode, 0, '/registrar');
export const controllerRef = refOf<ControllerMessage>(controllerNode, 0, '/controller');

const askAgainMs = 500;
const stillWaitingMs = 3_000;
/** One beat may be late. */
const listenBeats = 2;

export interface Membership {
  /** What lives here, told to the controller at each attachment. */
  readonly attachments: ControllerMessage[];
  /**
   * Resolves when the node has its first epoch; at once where it has one without asking. Rejects
   * with why it cannot have one.
   */
  join(): Promise<void>;
}

/** Opened before anything else of a node: from then on the controller can ask for attachments. */
export function openMembership(node: Node): Membership {
  const { host, remoting, clock, log } = node;
  const attachments: ControllerMessage[] = [];
  let asking: string | undefined;
  let joined: (() => void) | undefined;
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
    asking = undefined;
    if (outcome.type === 'node.join-refused') {
      const message = `the controller refused this node: ${outcome.message}`;
      node.fail(new NodeRefused(message, node.name));
      return;
    }
    if (outcome.epoch > host.epoch) remoting?.setEpoch(outcome.epoch);
    log.info('joined', { epoch: outcome.epoch });
    attach();
    joined?.();
  });
  const ask = (requestId: string, sinceMs: number): void => {
    if (asking !== requestId || node.closing) return;
    host.tell(controllerRef, {
      type: 'controller.join-node',
      requestId,
      node: node.name,
      incarnation: node.incarnation,
      kind: node.kind,
      epochSeen: host.epoch,
      replyTo,
    });
    const waitedMs = clock.nowMs() - sinceMs;
    if (waitedMs >= stillWaitingMs && waitedMs < stillWaitingMs + askAgainMs) {
      log.warn('no controller answers yet; start one with `infaas controller`', { waitedMs });
    }
    clock.schedule(askAgainMs, () => {
      ask(requestId, sinceMs);
    });
  };
  const askAnew = (): void => {
    asking = randomUUID();
    ask(asking, clock.nowMs());
  };
  node.onStalled = askAnew;
  remoting?.onNode((event) => {
    if (event.type === 'up' && event.kind === 'controller') attach();
  });
  // What it told us once (the registry, who else is there) may be among what was lost.
  remoting?.onLoss((lost) => {
    if (lost === undefined || lost === controllerNode) attach();
  });
  return {
    attachments,
    join: async () => {
      if (host.epoch > 0) return;
      const firstJoin = new Promise<void>((resolve, reject) => {
        joined = resolve;
        void node.failed.then(reject);
      });
      askAnew();
      await firstJoin;
    },
  };
}

/**
 * A controller has nobody to ask: it listens whether another one beats before it takes an epoch
 * that would end that one. Rejects when it hears one.
 */
export async function findNameFree(node: Node): Promise<void> {
  if (node.remoting === undefined) return;
  const listenMs = listenBeats * node.config.bus.beatMs;
  const heard = new Promise<undefined>((resolve) => {
    node.clock.schedule(listenMs, () => {
      resolve(undefined);
    });
  });
  const failure = await Promise.race([node.failed, heard]);
  if (failure !== undefined) throw failure;
}
