/**
 * What can be said against a model without running it: versions, names, order, tensors. The rest
 * (operators, types along the graph) is ONNX Runtime's to judge. Source: onnx/docs/IR.md.
 */

import { ModelInvalid } from './invalid-model.ts';
import type { OnnxModel } from './model.ts';
import type { GraphProto, NodeProto } from './proto.ts';
import { checkTensor } from './tensor-data.ts';
import { nodesOf, subgraphsOf, tensorsOf } from './walk.ts';

/** The newest IR version that ONNX Runtime 1.30 takes; the schema has one more. */
export const irVersionMax = 13;
/** The newest version of the default operator set that it takes. */
export const opsetMax = 26;

/** Throws ModelInvalid. */
export function checkModel(model: OnnxModel): void {
  const { proto, file } = model;
  if (proto.irVersion < 1n || proto.irVersion > BigInt(irVersionMax)) {
    const message = `${file} has IR version ${proto.irVersion}; 1 to ${irVersionMax} are known`;
    throw new ModelInvalid('ir_version', message, file);
  }
  checkOpsets(model);
  for (const tensor of tensorsOf(proto)) checkTensor(tensor, file);
  checkGraph(proto.graph, new Set(), file);
}

/** The version of an operator set that the model imports; `''` is the default domain. */
export function opsetOf(model: OnnxModel, domain = ''): number | undefined {
  const found = model.proto.opsetImport.find((opset) => domainOf(opset) === domain);
  return found === undefined ? undefined : Number(found.version);
}

/** `ai.onnx` is another name of the default domain. */
export function domainOf({ domain }: { readonly domain: string }): string {
  return domain === 'ai.onnx' ? '' : domain;
}

function checkOpsets(model: OnnxModel): void {
  const { proto, file } = model;
  const refuse = (message: string): ModelInvalid =>
    new ModelInvalid('opset', `${file} ${message}`, file);
  const version = opsetOf(model) ?? (proto.irVersion < 3n ? 1 : undefined);
  if (version !== undefined && (version < 1 || version > opsetMax)) {
    throw refuse(`needs opset ${version}; 1 to ${opsetMax} are known`);
  }
  const imported = new Set(proto.opsetImport.map(domainOf));
  if (proto.irVersion < 3n) imported.add('');
  for (const node of nodesOf(proto.graph)) {
    const domain = domainOf(node);
    if (imported.has(domain)) continue;
    const named = domain === '' ? 'the default operator set' : `the operator set "${domain}"`;
    throw refuse(`uses ${node.opType} of ${named}, of which it imports no version`);
  }
}

/** `outer`: what the graphs around this one define. */
function checkGraph(graph: GraphProto, outer: ReadonlySet<string>, file: string): void {
  const defined = definedOutside(graph, file);
  const makers = makersOf(graph, defined, file);
  const order = placeNodes(graph, defined, outer, makers, file);
  const visible = new Set([...outer, ...defined]);
  for (const output of graph.output) {
    if (!visible.has(output.name)) {
      const message = `${file}: nothing makes the output "${output.name}" of graph "${graph.name}"`;
      throw new ModelInvalid('undefined_input', message, file);
    }
  }
  for (const node of order) {
    for (const subgraph of subgraphsOf(node)) checkGraph(subgraph, visible, file);
  }
}

function definedOutside(graph: GraphProto, file: string): Set<string> {
  const defined = new Set<string>();
  for (const { name } of graph.input) addOnce(defined, name, `input`, graph, file);
  const initializers = new Set<string>();
  const sparse = graph.sparseInitializer.map(({ values }) => values?.name ?? '');
  for (const name of [...graph.initializer.map((tensor) => tensor.name), ...sparse]) {
    addOnce(initializers, name, 'initializer', graph, file);
  }
  // An initializer that is an input too is that input's default.
  for (const name of initializers) defined.add(name);
  return defined;
}

function makersOf(
  graph: GraphProto,
  defined: ReadonlySet<string>,
  file: string,
): Map<string, NodeProto> {
  const makers = new Map<string, NodeProto>();
  for (const node of graph.node) {
    for (const output of node.output) {
      if (output === '') continue;
      if (makers.has(output) || defined.has(output)) {
        const message = `${file}: ${describeNode(node)} makes "${output}", which is there already`;
        throw new ModelInvalid('duplicate_name', message, file);
      }
      makers.set(output, node);
    }
  }
  return makers;
}

/**
 * Nodes in an order in which each has what it needs (Kahn), adding what they make to `defined`.
 * ONNX wants them so in the file; runtimes sort, so a file in another order is no error.
 */
function placeNodes(
  graph: GraphProto,
  defined: Set<string>,
  outer: ReadonlySet<string>,
  makers: ReadonlyMap<string, NodeProto>,
  file: string,
): NodeProto[] {
  const waiting = new Map<NodeProto, number>();
  const waitedFor = new Map<string, NodeProto[]>();
  const ready: NodeProto[] = [];
  for (const node of graph.node) {
    const needs = new Set([...node.input, ...capturedBy(node)]);
    let missing = 0;
    for (const name of needs) {
      if (name === '' || defined.has(name)) continue;
      if (!makers.has(name)) {
        if (outer.has(name) || !node.input.includes(name)) continue;
        const message = `${file}: nothing makes "${name}", an input of ${describeNode(node)}`;
        throw new ModelInvalid('undefined_input', message, file);
      }
      missing += 1;
      const others = waitedFor.get(name);
      if (others === undefined) waitedFor.set(name, [node]);
      else others.push(node);
    }
    if (missing === 0) ready.push(node);
    else waiting.set(node, missing);
  }
  for (const node of ready) {
    for (const output of node.output) {
      if (output === '') continue;
      defined.add(output);
      for (const other of waitedFor.get(output) ?? []) {
        const left = (waiting.get(other) ?? 0) - 1;
        waiting.set(other, left);
        if (left > 0) continue;
        waiting.delete(other);
        ready.push(other);
      }
    }
  }
  const [stuck] = waiting.keys();
  if (stuck === undefined) return ready;
  const message = `${file}: the graph goes in a circle through ${describeNode(stuck)}`;
  throw new ModelInvalid('cyclic', message, file);
}

/** Names that subgraphs of a node may take from around them: whatever they don't define. */
function capturedBy(node: NodeProto): Set<string> {
  const captured = new Set<string>();
  for (const graph of subgraphsOf(node)) {
    for (const name of freeNames(graph)) captured.add(name);
  }
  return captured;
}

/** What a graph uses and does not define itself. */
export function freeNames(graph: GraphProto): Set<string> {
  const own = new Set<string>([
    ...graph.input.map(({ name }) => name),
    ...graph.initializer.map(({ name }) => name),
    ...graph.sparseInitializer.map(({ values }) => values?.name ?? ''),
    ...graph.node.flatMap(({ output }) => output),
  ]);
  const free = new Set<string>();
  const use = (name: string): void => {
    if (name !== '' && !own.has(name)) free.add(name);
  };
  for (const node of graph.node) {
    node.input.forEach(use);
    capturedBy(node).forEach(use);
  }
  graph.output.forEach(({ name }) => use(name));
  return free;
}

function addOnce(
  names: Set<string>,
  name: string,
  what: string,
  graph: GraphProto,
  file: string,
): void {
  if (names.has(name)) {
    const message = `${file}: graph "${graph.name}" has two ${what}s named "${name}"`;
    throw new ModelInvalid('duplicate_name', message, file);
  }
  names.add(name);
}

export function describeNode(node: NodeProto): string {
  return node.name === '' ? `a ${node.opType}` : `${node.opType} "${node.name}"`;
}
