/**
 * Policies that remember: what they remember is passed in and out as data. For those who only run
 * one, the state is kept inside, so that policies of any state look alike.
 */

export interface StatefulPolicy<V, D, P> {
  readonly initial: P;
  readonly decide: (view: V, state: P) => readonly [readonly D[], P];
}

/** What it decides, and the policy to ask next time. */
export type Remembering<V, D> = (view: V) => readonly [readonly D[], Remembering<V, D>];

export function remembering<V, D, P>(
  policy: StatefulPolicy<V, D, P>,
  state: P = policy.initial,
): Remembering<V, D> {
  return (view) => {
    const [decisions, next] = policy.decide(view, state);
    return [decisions, remembering(policy, next)];
  };
}
