/**
 * A query or an answer too large for the bus: whoever waits for it gets `too_large`, naming the
 * tensor that makes it so, instead of nothing. Pure.
 */

import { queryError } from '../actors/domain/outcome.ts';
import type {
  QueryFinished,
  QueryOutcome,
  RunQuery,
  WorkerEvent,
} from '../actors/worker/protocol.ts';
import { type Ref, type Refusal, refusal } from '../runtime/actor.ts';
import type { NamedTensors } from '../runtime/wire/tensors.ts';

/** Where an answer goes: its message does not say, so the sender's address is given. */
export function refuseTooLarge(
  to: Ref<QueryFinished>,
  message: unknown,
  bytes: number,
  bytesMax: number,
): Refusal | undefined {
  const large = message as RunQuery | WorkerEvent;
  if (large.type === 'worker.run-query') {
    const { queryId, delivery, replyTo } = large;
    // Of no instance, so that its backlog is not taken for known.
    const outcome = tooLarge('inputs', large.inputs, bytes, bytesMax);
    const type = 'dispatcher.query-finished';
    return refusal(replyTo, {
      type,
      queryId,
      delivery,
      epoch: 0,
      instanceId: '',
      outcome,
      backlogMs: 0,
    });
  }
  if (large.type !== 'dispatcher.query-finished' || !large.outcome.ok) return undefined;
  const outcome = tooLarge('outputs', large.outcome.outputs, bytes, bytesMax);
  return refusal(to, { ...large, outcome });
}

function tooLarge(
  what: 'inputs' | 'outputs',
  tensors: NamedTensors,
  bytes: number,
  bytesMax: number,
): QueryOutcome {
  const [largest] = Object.entries(tensors).sort(([, a], [, b]) => b.data.length - a.data.length);
  const [name, tensor] = largest ?? ['', undefined];
  const size = String(tensor?.data.length ?? 0);
  const advice = what === 'outputs' ? 'ask for fewer outputs, or in smaller batches' : 'send less';
  const message =
    `the ${what} make a message of ${String(bytes)} bytes between nodes, over the limit of ` +
    `${String(bytesMax)} (bus.messageBytesMax); the largest is "${name}" with ${size}: ${advice}`;
  const details = { [what === 'outputs' ? 'output' : 'input']: name, bytes, bytesMax };
  return { ok: false, error: queryError('too_large', message, details), retry: 'never' };
}
