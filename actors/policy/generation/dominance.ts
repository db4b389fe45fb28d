/**
 * Whether a candidate is worth having: it is not when some variant is at least as good in every
 * respect. Pure; judged one after another against those that are kept, the source first.
 */

export interface Contender {
  readonly id: string;
  readonly hardware: string;
  /** Percent, and of what: only like is compared with like. */
  readonly accuracy: number;
  readonly accuracyKind: string;
  readonly fileBytes: number;
  readonly memoryBytes: number;
  readonly loadMs: number;
  /** Median times by batch. */
  readonly latency: readonly { readonly batch: number; readonly ms: number }[];
  /** The only machine type that can run it; undefined when any can. */
  readonly machine?: string | undefined;
}

export interface DominanceRules {
  /** Measured times and memory count as better only by more than this share. */
  readonly noise: number;
}

export const defaultDominanceRules: DominanceRules = { noise: 0.05 };

export interface Dominance {
  readonly by: string;
  readonly reason: string;
}

export function isDominated(
  candidate: Contender,
  others: readonly Contender[],
  rules: DominanceRules = defaultDominanceRules,
): boolean {
  return dominanceOf(candidate, others, rules) !== undefined;
}

/** Which of the others dominates, and how they compare; the first of them by order. */
export function dominanceOf(
  candidate: Contender,
  others: readonly Contender[],
  rules: DominanceRules = defaultDominanceRules,
): Dominance | undefined {
  const found = others.find(
    (other) => other.id !== candidate.id && isNowhereBetter(candidate, other, rules),
  );
  if (found === undefined) return undefined;
  return { by: found.id, reason: describe(candidate, found) };
}

function isNowhereBetter(mine: Contender, theirs: Contender, { noise }: DominanceRules): boolean {
  if (mine.hardware !== theirs.hardware || mine.accuracyKind !== theirs.accuracyKind) return false;
  // What runs anywhere is better than what runs on one machine type, however it performs there.
  if (theirs.machine !== undefined && theirs.machine !== mine.machine) return false;
  if (mine.accuracy > theirs.accuracy || mine.fileBytes < theirs.fileBytes) return false;
  const clearly = (own: number, other: number): boolean => own < other * (1 - noise);
  if (clearly(mine.memoryBytes, theirs.memoryBytes)) return false;
  if (clearly(mine.loadMs, theirs.loadMs)) return false;
  const times = new Map(theirs.latency.map(({ batch, ms }) => [batch, ms]));
  return mine.latency.every(({ batch, ms }) => {
    const other = times.get(batch);
    // A batch that only this one can run is something that the other cannot do.
    return other !== undefined && !clearly(ms, other);
  });
}

function describe(mine: Contender, theirs: Contender): string {
  const [first] = mine.latency;
  const other = theirs.latency.find(({ batch }) => batch === first?.batch);
  const times =
    first === undefined || other === undefined
      ? ''
      : `, ${first.ms} ms at batch ${first.batch} against ${other.ms}`;
  return (
    `${theirs.id} is no slower, no larger and no less accurate: ` +
    `${mine.accuracy} % against ${theirs.accuracy}, ` +
    `${mine.fileBytes} bytes against ${theirs.fileBytes}${times}`
  );
}
