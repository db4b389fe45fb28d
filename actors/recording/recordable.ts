/**
 * What of a message is recorded: all that a decision can rest on. Of tensors that is datatype,
 * shape and size, and the bytes of small ones, for what a batch has in common may be in them
 * (`signature.ts`). Played again, the others are zeros.
 */

import type { NamedTensors, Tensor } from '../../runtime/wire/tensors.ts';
import type { Told } from '../../runtime/recording.ts';
import type { ControllerMessage } from '../controller/protocol.ts';
import type { DispatcherMessage, GatewayMessage, WorkerKnown } from '../dispatcher/protocol.ts';
import type { FleetMessage } from '../fleet-autoscaler/protocol.ts';
import type { EngineCommand } from '../instance/engine-port.ts';
import type { InstanceMessage } from '../instance/protocol.ts';
import { passedOn, type RecordedTold } from './entries.ts';
import type { MonitorMessage } from '../monitor/protocol.ts';
import type { WorkerMessage } from '../worker/protocol.ts';

type Recorded =
  DispatcherMessage | GatewayMessage | WorkerMessage | InstanceMessage | EngineCommand;

/** Larger ones are not compared between queries either. */
const keptBytesMax = 64;

export function recordable(message: unknown): unknown {
  return withTensors(message as Recorded, emptied);
}

/** What is played again in the place of what `recordable` gave. */
export function revived(message: unknown): unknown {
  return withTensors(message as Recorded, filled);
}

/** Every message that carries tensors, by hand: none is searched for them. */
function withTensors(message: Recorded, change: (tensors: NamedTensors) => NamedTensors): unknown {
  switch (message.type) {
    case 'dispatcher.submit-query': {
      const { request } = message;
      return { ...message, request: { ...request, inputs: change(request.inputs) } };
    }
    case 'worker.run-query':
      return { ...message, inputs: change(message.inputs) };
    case 'dispatcher.query-finished': {
      const { outcome } = message;
      if (!outcome.ok) return message;
      return { ...message, outcome: { ...outcome, outputs: change(outcome.outputs) } };
    }
    case 'gateway.query-answered': {
      const { answer } = message;
      if (!answer.ok) return message;
      return { ...message, answer: { ...answer, outputs: change(answer.outputs) } };
    }
    case 'engine.run-batch':
      return {
        ...message,
        queries: message.queries.map((each) => ({ ...each, inputs: change(each.inputs) })),
      };
    case 'instance.batch-ran':
      return { ...message, results: message.results.map(change) };
    case 'instance.take-over':
      return {
        ...message,
        waiting: message.waiting.map((each) => ({
          ...each,
          query: { ...each.query, inputs: change(each.query.inputs) },
        })),
      };
    default:
      return message;
  }
}

interface Emptied extends Omit<Tensor, 'data'> {
  readonly byteLength: number;
}

function emptied(tensors: NamedTensors): NamedTensors {
  return mapTensors(tensors, (tensor) => {
    const { datatype, shape, data } = tensor;
    if (data.byteLength <= keptBytesMax || datatype === 'BYTES') return tensor;
    const empty: Emptied = { datatype, shape, byteLength: data.byteLength };
    return empty as unknown as Tensor;
  });
}

function filled(tensors: NamedTensors): NamedTensors {
  return mapTensors(tensors, (tensor) => {
    const { datatype, shape, byteLength } = tensor as Tensor & Partial<Emptied>;
    return byteLength === undefined ? tensor : { datatype, shape, data: zeros(byteLength) };
  });
}

function mapTensors(tensors: NamedTensors, change: (tensor: Tensor) => Tensor): NamedTensors {
  const changed: Record<string, Tensor> = {};
  for (const name of Object.keys(tensors)) changed[name] = change(tensors[name] as Tensor);
  return changed;
}

let zeroBytes = new Uint8Array(4_096);

function zeros(length: number): Uint8Array {
  if (zeroBytes.length < length) zeroBytes = new Uint8Array(length);
  return zeroBytes.subarray(0, length);
}

type ToldElsewhere =
  | ControllerMessage['type']
  | MonitorMessage['type']
  | FleetMessage['type']
  | WorkerKnown['type']
  | GatewayMessage['type']
  | DispatcherMessage['type']
  | 'model-autoscaler.worker-seen'
  | 'engine.describe-cores';

/** Accounts and questions: no decisions, and what came of them is recorded where it arrives. */
const accounts: ReadonlySet<string> = new Set<ToldElsewhere>([
  'controller.attach-dispatcher',
  'controller.attach-worker',
  'monitor.instance-observed',
  'fleet.worker-reported',
  'records.worker-seen',
  'gateway.fleet-described',
  'gateway.queries-lost',
  'dispatcher.worker-reported',
  'model-autoscaler.worker-seen',
  'engine.describe-cores',
]);

/**
 * Of what a turn told, all that is a decision or follows from one.
 *
 * @param number Called with each message that is not passed on, in order.
 */
export function toldOf(
  told: readonly Told[],
  taken: unknown,
  number: (message: object) => void = () => undefined,
): RecordedTold[] {
  const kept: RecordedTold[] = [];
  for (const [{ node, path }, message] of told) {
    if (!isDecided(message)) continue;
    if (message === taken) kept.push([node, path, passedOn]);
    else {
      kept.push([node, path, recordable(message)]);
      number(message);
    }
  }
  return kept;
}

function isDecided(message: unknown): message is object {
  const { type } = message as { readonly type?: unknown };
  return typeof type === 'string' && !accounts.has(type);
}
