/**
 * A model file read for looking at and rewriting. Small tensors are in its messages; large ones
 * stay in the file (or in files beside it) and are read one at a time, by `bytesOfTensor`.
 *
 * Everything here is synchronous and as slow as the model is large: it belongs into a process that
 * has nobody else waiting.
 */

import { closeSync, openSync, fstatSync } from 'node:fs';

import { messageOf } from '../../runtime/errors.ts';
import { checkModel } from './check-model.ts';
import { type OnnxConfig, onnxDefaults } from './config.ts';
import { ModelInvalid } from './invalid-model.ts';
import type { OnnxModel } from './model.ts';
import { decodeMessage, type ModelProto } from './proto.ts';
import { skimModel } from './skim.ts';

/**
 * Reads and checks a model. Throws ModelInvalid with its reason; what only ONNX Runtime can know
 * (operators, types along the graph) is not checked here.
 */
export function readModel(file: string, limits: OnnxConfig = onnxDefaults): OnnxModel {
  const structure = readStructure(file, limits);
  const proto = decode(file, structure, limits);
  const { graph } = proto;
  if (graph === undefined) throw new ModelInvalid('no_graph', `${file} has no graph`, file);
  const model: OnnxModel = { proto: { ...proto, graph }, file };
  checkModel(model);
  return model;
}

function readStructure(file: string, limits: OnnxConfig): Uint8Array {
  let fd: number;
  try {
    fd = openSync(file, 'r');
  } catch (error) {
    const message = `cannot read ${file}: ${messageOf(error)}`;
    throw new ModelInvalid('unreadable', message, file, error);
  }
  try {
    const found = fstatSync(fd);
    if (!found.isFile()) throw new ModelInvalid('unreadable', `${file} is not a file`, file);
    if (found.size === 0) throw new ModelInvalid('empty', `${file} is empty`, file);
    return skimModel(fd, file, found.size, limits);
  } finally {
    closeSync(fd);
  }
}

function decode(file: string, structure: Uint8Array, limits: OnnxConfig): ModelProto {
  try {
    // A graph within a graph is three messages deep; types and the like need some more.
    return decodeMessage('ModelProto', structure, 3 * limits.nestingMax + 32);
  } catch (error) {
    const message = `${file} is not well-formed: ${messageOf(error)}`;
    throw new ModelInvalid('malformed', message, file, error);
  }
}
