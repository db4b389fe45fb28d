/**
 * A dispatcher that serves by itself: real input checks, no fleet. For tests of gateways and
 * clients, which need something behind them whose answers are predictable.
 *
 * Task `digit-classification` (datasets `mnist` and `slow`): FP32 [batch, 1, 28, 28] -> logits,
 * each the sum of its image's pixels plus the class. On `slow` nothing is ever answered unless it
 * is cancelled. Task `echo`: one input of each awkward datatype, answered as it came.
 */

import type {
  DispatcherMessage,
  GatewayMessage,
  SubmitQuery,
} from '../../../actors/dispatcher/protocol.ts';
import type { FleetDescription } from '../../../actors/domain/fleet-description.ts';
import { type QueryError, queryError } from '../../../actors/domain/outcome.ts';
import type { QueryAnswer } from '../../../actors/domain/query.ts';
import {
  checkInputs,
  createInputChecker,
  type InputChecker,
  type Signature,
} from '../../../actors/domain/signature.ts';
import type { ActorContext, ActorSpec } from '../../../runtime/actor.ts';
import { restartPolicy } from '../../../runtime/supervision.ts';
import { type NamedTensors, tensorOf, typedArrayOf } from '../../../runtime/wire/tensors.ts';

const digits: Signature = {
  inputs: { image: { datatype: 'FP32', shape: ['batch', 1, 28, 28] } },
  outputs: { logits: { datatype: 'FP32', shape: ['batch', 10] } },
};

const echo: Signature = {
  inputs: {
    text: { datatype: 'BYTES', shape: ['batch'] },
    wide: { datatype: 'INT64', shape: ['batch', 2] },
    half: { datatype: 'FP16', shape: ['batch', 2] },
    flag: { datatype: 'BOOL', shape: ['batch'] },
  },
  outputs: {
    text: { datatype: 'BYTES', shape: ['batch'] },
    wide: { datatype: 'INT64', shape: ['batch', 2] },
    half: { datatype: 'FP16', shape: ['batch', 2] },
    flag: { datatype: 'BOOL', shape: ['batch'] },
  },
};

/** Anything of this task is answered with an output of as many elements as asked. */
const wide: Signature = {
  inputs: { elements: { datatype: 'INT32', shape: [1] } },
  outputs: { zeros: { datatype: 'UINT8', shape: [1, 'n'] } },
};

const checkers: Readonly<Record<string, InputChecker>> = {
  'digit-classification': createInputChecker(digits),
  echo: createInputChecker(echo),
  wide: createInputChecker(wide),
};

const bestAccuracy = 99;
const fastestMs = 0.01;

export interface StandIn {
  readonly held: Map<string, SubmitQuery>;
  cancelled: number;
}

/** `seen` is the test's window on what the dispatcher holds. */
export function standInDispatcher(seen: StandIn): ActorSpec<StandIn, DispatcherMessage> {
  return {
    start: () => seen,
    behaviour: receive,
    supervision: restartPolicy,
    mailboxMax: 100_000,
    refuse: () => undefined,
  };
}

type Context = ActorContext<DispatcherMessage>;

function receive(state: StandIn, message: DispatcherMessage, ctx: Context): StandIn {
  switch (message.type) {
    case 'dispatcher.submit-query':
      submit(state, message, ctx);
      return state;
    case 'dispatcher.cancel-query': {
      const held = state.held.get(message.queryId);
      if (held === undefined) return state;
      state.held.delete(message.queryId);
      state.cancelled += 1;
      answer(ctx, held, refused(held, queryError('cancelled', 'cancelled by the client')));
      return state;
    }
    case 'dispatcher.describe-fleet':
      ctx.tell<GatewayMessage>(message.replyTo, {
        type: 'gateway.fleet-described',
        requestId: message.requestId,
        outcome: description,
      });
      return state;
    default:
      return state;
  }
}

function submit(state: StandIn, query: SubmitQuery, ctx: Context): void {
  const { selector, inputs, slo, onMiss, outputs } = query.request;
  const { task, error } = taskOf(selector);
  const checker = checkers[task];
  if (error !== undefined || checker === undefined) {
    answer(ctx, query, refused(query, error ?? queryError('unknown_task', task)));
    return;
  }
  const checked = checkInputs(checker, inputs);
  if (!checked.ok) {
    answer(ctx, query, refused(query, checked.error));
    return;
  }
  const wrong = outputs?.find((name) => !Object.hasOwn(checker.signature.outputs, name));
  if (wrong !== undefined) {
    answer(ctx, query, refused(query, queryError('bad_input', `there is no output "${wrong}"`)));
  } else if ((slo.accuracyMin ?? 0) > bestAccuracy) {
    const message = `no variant reaches accuracyMin; the nearest has ${bestAccuracy}`;
    answer(ctx, query, refused(query, queryError('slo_infeasible', message)));
  } else if (onMiss === 'reject' && (slo.latencyMs ?? Infinity) < fastestMs) {
    const message = `no variant meets latencyMs; the nearest needs ${fastestMs}`;
    answer(ctx, query, refused(query, queryError('slo_infeasible', message)));
  } else if (selector.by === 'task' && selector.dataset === 'slow') {
    state.held.set(query.queryId, query);
  } else {
    answer(ctx, query, served(query, task, outputsOf(task, inputs)));
  }
}

function taskOf(selector: SubmitQuery['request']['selector']): {
  readonly task: string;
  readonly error?: QueryError;
} {
  if (selector.by === 'variant' && selector.variant !== 'cnn-small/fp32') {
    const message = `there is no variant "${selector.variant}"`;
    return { task: '', error: queryError('unknown_variant', message) };
  }
  if (selector.by === 'architecture' && selector.architecture !== 'cnn-small') {
    const message = `there is no architecture "${selector.architecture}"`;
    return { task: '', error: queryError('unknown_architecture', message) };
  }
  if (selector.by !== 'task') return { task: 'digit-classification' };
  return Object.hasOwn(checkers, selector.task)
    ? { task: selector.task }
    : { task: '', error: queryError('unknown_task', `there is no task "${selector.task}"`) };
}

function outputsOf(task: string, inputs: NamedTensors): NamedTensors {
  if (task === 'echo') return inputs;
  if (task === 'wide') {
    const count = Number(typedArrayOf(inputs['elements']!)[0]);
    return { zeros: tensorOf('UINT8', [1, count], new Uint8Array(count)) };
  }
  const image = inputs['image']!;
  const pixels = typedArrayOf(image) as Float32Array;
  const batch = image.shape[0]!;
  const logits = new Float32Array(batch * 10);
  for (let row = 0; row < batch; row += 1) {
    const sum = pixels.subarray(row * 784, (row + 1) * 784).reduce((total, one) => total + one, 0);
    for (let digit = 0; digit < 10; digit += 1) logits[row * 10 + digit] = sum + digit;
  }
  return { logits: tensorOf('FP32', [batch, 10], logits) };
}

function answer(ctx: Context, query: SubmitQuery, terminal: QueryAnswer): void {
  const { queryId, replyTo } = query;
  ctx.tell<GatewayMessage>(replyTo, { type: 'gateway.query-answered', queryId, answer: terminal });
}

function refused(query: SubmitQuery, error: QueryError): QueryAnswer {
  return { ok: false, queryId: query.queryId, error };
}

function served(query: SubmitQuery, task: string, outputs: NamedTensors): QueryAnswer {
  return {
    ok: true,
    queryId: query.queryId,
    outputs,
    servedBy: {
      task,
      dataset: 'mnist',
      architecture: 'cnn-small',
      variant: 'cnn-small/fp32',
      worker: 'worker-1',
      instance: 'worker-1/cnn-small/fp32#1',
      hardware: 'cpu',
      batchSize: 1,
      accuracy: bestAccuracy,
    },
    timing: { totalMs: 1, decideMs: 0, networkMs: 0, queueMs: 0, inferMs: 1 },
    slo: { met: true, missed: [] },
    decision: { reason: 'the only one there is', batchReason: 'one at a time' },
    costUsd: 0,
  };
}

const tensors = {
  inputs: [{ name: 'image', datatype: 'FP32', shape: [-1, 1, 28, 28], shared: false }],
  outputs: [{ name: 'logits', datatype: 'FP32', shape: [-1, 10], shared: false }],
} as const;

const description: FleetDescription = {
  tasks: [
    {
      name: 'digit-classification',
      datasets: [{ name: 'mnist', architectures: ['cnn-small'], accuracyMin: 99, accuracyMax: 99 }],
      ...tensors,
    },
  ],
  architectures: [
    {
      name: 'cnn-small',
      task: 'digit-classification',
      dataset: 'mnist',
      ...tensors,
      accuracyMin: 99,
      accuracyMax: 99,
      variants: ['cnn-small/fp32'],
    },
  ],
  variants: [
    {
      name: 'cnn-small/fp32',
      architecture: 'cnn-small',
      task: 'digit-classification',
      dataset: 'mnist',
      precision: 'fp32',
      accuracy: 99,
      accuracyKind: 'top1',
      hardware: 'cpu',
      latencyMs: [],
      loadMs: 1,
      memoryBytes: 1,
      sizeBytes: 1,
      costUsdPer1000: 0.001,
      batchMax: 8,
      state: 'loaded',
      instances: 1,
      measuredOn: 'nowhere',
    },
  ],
  workers: [
    {
      name: 'worker-1',
      epoch: 1,
      hardware: [],
      utilisation: 0,
      memoryUsedBytes: 0,
      instances: 1,
    },
  ],
  instances: [
    {
      name: 'worker-1/cnn-small/fp32#1',
      variant: 'cnn-small/fp32',
      worker: 'worker-1',
      state: 'active',
      rateQps: 0,
      queued: 0,
      backlogMs: 0,
      slowdown: 1,
      served: 0,
    },
  ],
};
