/**
 * Assertions for programmers' errors, on in production. A failed one makes the supervisor act;
 * under the simulator it fails the run. Never for anything a user or a peer can cause.
 */

export class AssertionFailed extends Error {
  override readonly name = 'AssertionFailed';
}

export function assert(condition: unknown, what: string): asserts condition {
  if (!condition) throw new AssertionFailed(what);
}

/** The end of every total `switch`. */
export function assertNever(value: never): never {
  const given: unknown = value;
  const type = typeof given === 'object' && given !== null && 'type' in given ? given.type : given;
  // Never the whole value: it may be a message with tensors, and logs are no place for payloads.
  throw new AssertionFailed(
    `unexpected value: ${typeof type === 'string' ? type.slice(0, 200) : typeof type}`,
  );
}
