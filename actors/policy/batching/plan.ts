/** What a batching policy sees and decides. Plain data in, plain data out. */

export interface QueuedQuery {
  /** When it should be done, on the instance's clock. */
  readonly dueMs: number;
  /** Its own size along the batch axis. */
  readonly size: number;
}

export interface BatchView {
  readonly nowMs: number;
  /** Waiting queries that may share a batch with the first, by `dueMs` ascending; never empty. */
  readonly queue: readonly QueuedQuery[];
  /** T(b) in milliseconds by batch size, T(0) = 0, up to the largest batch. */
  readonly latencyMs: Float64Array;
  /** Recent arrivals a millisecond. */
  readonly arrivalsPerMs: number;
}

export type BatchPlan =
  /** Run the first `count` of the queue now. */
  | { readonly do: 'run'; readonly count: number; readonly reason: string }
  /** Decide again then, or when another query arrives. */
  | { readonly do: 'wait'; readonly untilMs: number; readonly reason: string };

export type BatchPolicy = (view: BatchView) => BatchPlan;
