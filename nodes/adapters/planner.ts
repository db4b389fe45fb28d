/**
 * The planner port: plans are solved in a thread of their own, so that no actor waits for them. A
 * thread that dies or takes too long is replaced, and what it had not answered is solved greedily
 * here: a plan of milliseconds is better than none.
 */

import { Worker } from 'node:worker_threads';

import type { PlannerCommand } from '../../actors/fleet-autoscaler/protocol.ts';
import { planGreedily } from '../../actors/policy/planning/greedy.ts';
import type { ActorHost, Ref } from '../../runtime/actor.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Logger } from '../../runtime/log.ts';
import { entryPointBeside } from '../engine/entry-point.ts';
import type { SolveLimits } from '../planner/solve.ts';
import type { SolveReply, SolveRequest } from '../planner/thread.ts';

export interface PlannerOptions {
  readonly host: Pick<ActorHost, 'port' | 'closePort' | 'tell'>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly limits: SolveLimits;
  /** A thread that has not answered by then hangs. */
  readonly hangMs: number;
}

export class Planner {
  readonly port: Ref<PlannerCommand>;
  readonly #options: PlannerOptions;
  readonly #waiting = new Map<number, PlannerCommand>();
  #thread: Worker | undefined;
  #jobs = 0;
  #closed = false;

  constructor(options: PlannerOptions) {
    this.#options = options;
    this.port = options.host.port<PlannerCommand>('planner', (command) => {
      this.#solve(command);
    });
  }

  /** Nothing is solved any more; resolves when the thread has ended. */
  async close(): Promise<void> {
    if (!this.#closed) this.#options.host.closePort(this.port);
    this.#closed = true;
    this.#waiting.clear();
    await this.#thread?.terminate();
  }

  #solve(command: PlannerCommand): void {
    if (this.#closed) return;
    this.#thread ??= this.#start();
    this.#jobs += 1;
    const job = this.#jobs;
    this.#waiting.set(job, command);
    this.#thread.postMessage({ job, problems: command.problems } satisfies SolveRequest);
    this.#options.clock.schedule(this.#options.hangMs, () => {
      if (this.#waiting.has(job))
        this.#replace(`it has not answered in ${String(this.#options.hangMs)} ms`);
    });
  }

  #start(): Worker {
    const { url, execArgv } = entryPointBeside(import.meta.url, '../planner/thread');
    const thread = new Worker(url, { workerData: this.#options.limits, execArgv: [...execArgv] });
    // It keeps no process alive.
    thread.unref();
    thread.on('message', ({ job, plans }: SolveReply) => {
      const command = this.#waiting.get(job);
      if (command === undefined || !this.#waiting.delete(job)) return;
      const { requestId, replyTo } = command;
      this.#options.host.tell(replyTo, { type: 'fleet.plan-solved', requestId, plans });
    });
    thread.on('error', (error) => {
      if (thread === this.#thread) this.#replace(error.message);
    });
    thread.on('exit', (code) => {
      if (thread === this.#thread) this.#replace(`it ended with code ${String(code)}`);
    });
    return thread;
  }

  #replace(why: string): void {
    const thread = this.#thread;
    this.#thread = undefined;
    void thread?.terminate();
    if (this.#closed) return;
    this.#options.log.warn('the planner failed; planned greedily', { why });
    for (const [job, { requestId, replyTo, problems }] of [...this.#waiting]) {
      this.#waiting.delete(job);
      const plans = problems.map(planGreedily);
      this.#options.host.tell(replyTo, { type: 'fleet.plan-solved', requestId, plans });
    }
  }
}
