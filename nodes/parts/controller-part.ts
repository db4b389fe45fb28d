/** The controller part of a node: store, controller, registrar, and the models given at start. */

import { controllerSpec } from '../../actors/controller/behaviour.ts';
import type { ControllerMessage, JoinOutcome } from '../../actors/controller/protocol.ts';
import { localPrincipal } from '../../actors/domain/principal.ts';
import type { Variant } from '../../actors/domain/variant.ts';
import type { RegisterOutcome, RegistrarMessage } from '../../actors/registrar/protocol.ts';
import { type Ref, refOf } from '../../runtime/actor.ts';
import { ManifestInvalid, StoreFailed } from '../../runtime/errors.ts';
import { grantEpoch } from '../../runtime/membership.ts';
import { controllerNode } from '../membership.ts';
import type { Node } from '../node.ts';
import { type ControlStore, openControlStore } from '../stores/control-store.ts';
import type { MetadataStore } from '../stores/metadata-store.ts';
import { openMetadataStore } from '../stores/open-metadata-store.ts';
import { addRegistrar, type RegistrarPart } from './registrar-part.ts';

export interface ControllerPart {
  readonly controller: Ref<ControllerMessage>;
  readonly registrar: Ref<RegistrarMessage>;
  /** For other records that the same store keeps. */
  readonly records: MetadataStore;
  readonly publish: RegistrarPart['publish'];
  close(): Promise<void>;
}

/** Seconds since 2023-11-14 (Unix time 1.7e9): the least epoch a controller may have. */
const epochOriginSeconds = 1_700_000_000;

export async function addController(node: Node, dataDir: string): Promise<ControllerPart> {
  const { host, config, clock } = node;
  const store = await openStore(node, dataDir);
  const storePort = store.port(host);
  if (node.remoting !== undefined) {
    // The wall clock keeps a controller with a new store above the one its nodes knew.
    const epochSeen = Math.floor(clock.wallMs() / 1000) - epochOriginSeconds;
    const request = { node: controllerNode, incarnation: node.incarnation, requestId: 'start' };
    const grant = grantEpoch(store.read().epochs, { ...request, epochSeen }, clock.nowMs());
    host.tell(storePort, {
      type: 'store.put',
      key: `epoch/${controllerNode}`,
      value: grant.record,
    });
    node.remoting.setEpoch(grant.epoch);
  }
  // Twice what it takes to find out that a node is dead.
  const contestMs = 2 * config.bus.beatMs * config.bus.missedMax;
  const controller = host.spawn(
    controllerSpec({
      store: storePort,
      stored: () => store.read(),
      config: { ...config.controller, contestMs },
    }),
    'controller',
  );
  node.failWith(controller);
  // One that was silent for a while was given up here, and need not know it.
  node.remoting?.onNode((event) => {
    if (event.type !== 'up') return;
    const joiner = refOf<JoinOutcome>(event.node, 0, '/join');
    host.tell(joiner, { type: 'node.attach-wanted' });
  });
  const registrar = await addRegistrar(node, controller, dataDir);
  const known = store.read().families.flatMap(({ variants }) => variants);
  registrar.publish(known.map(({ file }) => file));
  return {
    controller,
    registrar: registrar.registrar,
    records: store.records,
    publish: registrar.publish,
    close: async () => {
      await registrar.close();
      await store.close();
    },
  };
}

async function openStore(node: Node, dataDir: string): Promise<ControlStore> {
  const { config, clock, log, metrics, bus } = node;
  const { retryMs, retryMaxMs } = config.store;
  return openControlStore({
    store: await openMetadataStore({
      ...{ dataDir, config: config.store, connection: bus?.connection, log },
    }),
    ...{ log, metrics, clock, retryMs, retryMaxMs },
    onTrouble: (why) => {
      if (why === undefined) node.troubles.delete('store');
      else node.troubles.set('store', why);
    },
    onSuperseded: (why) => {
      node.fail(new StoreFailed(`${why}; end one of the two controllers`, dataDir));
    },
  });
}

/** Registers models one by one; resolves with how many there are, rejects at the first refusal. */
export function registerModels(
  node: Node,
  part: ControllerPart,
  variants: readonly Variant[],
): Promise<number> {
  part.publish(variants.map(({ file }) => file));
  return new Promise((resolve, reject) => {
    let left = variants.length;
    if (left === 0) {
      resolve(0);
      return;
    }
    const replyTo = node.host.port<RegisterOutcome>('registrations', (outcome) => {
      if (outcome.type === 'registrar.model-refused') {
        reject(
          new ManifestInvalid(
            `variant ${outcome.variantId} was refused: ${outcome.error.message}`,
            outcome.variantId,
          ),
        );
        return;
      }
      left -= 1;
      if (left > 0) return;
      node.host.closePort(replyTo);
      resolve(variants.length);
    });
    for (const variant of variants) {
      node.host.tell(part.registrar, {
        type: 'registrar.register-model',
        principal: localPrincipal,
        variant,
        replyTo,
      });
    }
  });
}
