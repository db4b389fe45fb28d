/** Subjects on the bus: one a node for its messages, one for all beats, and those users address. */

/** Messages to actors of a node. */
export function nodeSubject(node: string): string {
  return `infaas.node.${node}`;
}

/** Every node's beats. */
export const beatSubject = 'infaas.beat';

/** The NATS service's endpoints: `infaas.v1.query`, `infaas.v1.tasks`, … (INTERFACE.md). */
export function serviceSubject(operation: string): string {
  return `infaas.v1.${operation}`;
}

/** A node's name must be one NATS token, since it becomes part of a subject. */
export function isNodeId(value: string): boolean {
  return /^[A-Za-z0-9_-]{1,64}$/.test(value);
}
