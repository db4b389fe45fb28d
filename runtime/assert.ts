/**
 * Assertions for programmers' errors, on in production. A failed one makes the supervisor act;
 * under the simulator it fails the run. Never for anything a user or a peer can cause.
 */

export class AssertionFailed extends Error {
  override readonly name = 'AssertionFailed';
}

/**
 * @param detail Added to `what` where it fails. A template in its place would be put together, a
 *   number be written out in digits, each time that the assertion holds.
 */
export function assert(
  condition: unknown,
  what: string,
  detail?: string | number,
): asserts condition {
  if (condition) return;
  throw new AssertionFailed(detail === undefined ? what : `${what}: ${String(detail)}`);
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
