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
  throw new AssertionFailed(`unexpected value: ${JSON.stringify(value)}`);
}
