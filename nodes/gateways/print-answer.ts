/**
 * Answers as clients read them: one object, as msgpack with the tensors' bytes or as JSON with
 * their elements. Pure.
 */

import { type OutcomeCode, type QueryError, queryError } from '../../actors/domain/outcome.ts';
import type { QueryAnswer, QueryServed } from '../../actors/domain/query.ts';
import { encode } from '../../runtime/wire/codec.ts';
import { countStrings, type Element, elementsOf } from '../../runtime/wire/tensor-elements.ts';
import {
  bytesPerElement,
  type Datatype,
  type NamedTensors,
  type Tensor,
} from '../../runtime/wire/tensors.ts';
import type { GatewayConfig } from './config.ts';
import type { Encoding } from './decode-request.ts';
import type { ClientId } from './parse-query.ts';

export type PrintLimits = Pick<GatewayConfig, 'jsonAnswerElementsMax'>;

/** A tensor in JSON: elements row-major and flat. NaN and infinities print as null. */
export interface PrintedTensor {
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  readonly data: readonly Element[];
}

/**
 * The answer's bytes (msgpack) or text (JSON). A query without an id of its own is answered under
 * its queryId. An answer too large for JSON becomes `too_large`.
 */
export function printAnswer(
  answer: QueryAnswer,
  clientId: ClientId | undefined,
  encoding: Encoding,
  limits: PrintLimits,
): Uint8Array | string {
  const id = clientId ?? answer.queryId;
  if (!answer.ok) {
    return printObject({ id, queryId: answer.queryId, ok: false, error: answer.error }, encoding);
  }
  if (encoding === 'msgpack') return encode(served(answer, id, answer.outputs));
  const elements = countElements(answer.outputs);
  if (elements > limits.jsonAnswerElementsMax) {
    const most = String(limits.jsonAnswerElementsMax);
    const message =
      `the outputs have ${elements} elements, over the limit of ${most} for JSON; ` +
      'ask in msgpack, or for fewer outputs';
    const error = queryError('too_large', message, { elements });
    return printObject({ id, queryId: answer.queryId, ok: false, error }, encoding);
  }
  return JSON.stringify(served(answer, id, printTensors(answer.outputs)));
}

/** A refusal of something that never became a query, or of another operation. */
export function printError(
  error: QueryError,
  clientId: ClientId | undefined,
  encoding: Encoding,
  op?: string,
): Uint8Array | string {
  return printObject(
    {
      ...(clientId === undefined ? {} : { id: clientId }),
      ...(op === undefined ? {} : { op }),
      ok: false,
      error,
    },
    encoding,
  );
}

export function printObject(value: object, encoding: Encoding): Uint8Array | string {
  return encoding === 'msgpack' ? encode(value) : JSON.stringify(value);
}

function served(
  answer: QueryServed,
  id: ClientId,
  outputs: NamedTensors | Readonly<Record<string, PrintedTensor>>,
): object {
  return {
    id,
    queryId: answer.queryId,
    ok: true,
    outputs,
    servedBy: answer.servedBy,
    timing: answer.timing,
    slo: answer.slo,
    decision: answer.decision,
    costUsd: answer.costUsd,
  };
}

function countElements(outputs: NamedTensors): number {
  let count = 0;
  for (const tensor of Object.values(outputs)) {
    const size = bytesPerElement(tensor.datatype);
    count += size === 0 ? (countStrings(tensor.data) ?? 0) : tensor.data.length / size;
  }
  return count;
}

export function printTensors(outputs: NamedTensors): Readonly<Record<string, PrintedTensor>> {
  return Object.fromEntries(
    Object.entries(outputs).map(([name, tensor]) => [name, printTensor(tensor)]),
  );
}

function printTensor(tensor: Tensor): PrintedTensor {
  return { datatype: tensor.datatype, shape: tensor.shape, data: elementsOf(tensor) };
}

/** What an outcome is in HTTP's numbers; also in the header of NATS services. */
export const httpStatusOf: Readonly<Record<OutcomeCode, number>> = {
  bad_input: 400,
  too_large: 413,
  unauthorized: 401,
  unknown_task: 404,
  unknown_architecture: 404,
  unknown_variant: 404,
  slo_infeasible: 422,
  overloaded: 503,
  deadline_exceeded: 504,
  cancelled: 499,
  unavailable: 503,
  inference_failed: 500,
  internal: 500,
};
