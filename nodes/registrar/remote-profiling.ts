/**
 * Models measured on a worker's machine, seen from the controller: one request, one answer, or a
 * worker that went.
 */

import { randomUUID } from 'node:crypto';

import type {
  MeasureModel,
  ProfilerEvent,
  ProfilerMessage,
} from '../../actors/registrar/profiler-port.ts';
import type { QueryError } from '../../actors/domain/outcome.ts';
import type { Profile } from '../../actors/domain/profile.ts';
import { type ActorHost, type Ref, refOf } from '../../runtime/actor.ts';
import type { Clock } from '../../runtime/clock.ts';
import { workerPath } from '../membership.ts';
import type { LabCall } from '../lab/lab.ts';

export type RemoteOutcome =
  | { readonly is: 'measured'; readonly profile: Profile; readonly batchMax: number }
  /** A verdict on the model. */
  | { readonly is: 'refused'; readonly error: QueryError }
  /** The worker went, fell silent, or could not do it. */
  | { readonly is: 'lost'; readonly why: string };

export class RemoteProfiling {
  private readonly host: ActorHost;
  private readonly clock: Clock;
  private readonly silentMs: number;
  private readonly port: Ref<ProfilerEvent>;
  private readonly asked = new Map<string, (event: ProfilerEvent) => void>();

  /** A worker that says nothing for `silentMs` counts as gone. */
  constructor(host: ActorHost, clock: Clock, silentMs: number) {
    this.host = host;
    this.clock = clock;
    this.silentMs = silentMs;
    this.port = host.port<ProfilerEvent>('profiles', (event) => {
      this.asked.get(event.requestId)?.(event);
    });
  }

  close(): void {
    this.host.closePort(this.port);
  }

  measure(
    profiler: Ref<ProfilerMessage>,
    what: Pick<MeasureModel, 'file' | 'fit' | 'batchMax' | 'budgetMs'>,
    { signal, onProgress }: LabCall,
  ): Promise<RemoteOutcome> {
    const { host, clock, asked, silentMs, port } = this;
    const requestId = randomUUID();
    return new Promise((resolve) => {
      let silent: () => void = () => undefined;
      const settle = (outcome: RemoteOutcome): void => {
        if (!asked.delete(requestId)) return;
        silent();
        unwatch();
        signal?.removeEventListener('abort', cancel);
        resolve(outcome);
      };
      const lose = (why: string): void => {
        settle({ is: 'lost', why });
      };
      const listen = (): void => {
        silent();
        silent = clock.schedule(silentMs, () => {
          host.tell(profiler, { type: 'profiler.cancel', requestId });
          lose(`it said nothing for ${String(silentMs)} ms`);
        });
      };
      const cancel = (): void => {
        host.tell(profiler, { type: 'profiler.cancel', requestId });
        lose('it was cancelled');
      };
      asked.set(requestId, (event) => {
        if (event.type === 'profiles.progressed') {
          listen();
          const { done, total } = event;
          onProgress?.({ stage: 'measuring', done, total });
        } else if (event.outcome.ok) {
          settle({ is: 'measured', ...event.outcome });
        } else if (event.outcome.elsewhere) {
          lose(event.outcome.error.message);
        } else {
          settle({ is: 'refused', error: event.outcome.error });
        }
      });
      const worker = refOf(profiler.node, profiler.epoch, workerPath);
      const unwatch = host.watch(worker, ({ reason }) => {
        lose(`the worker ended (${reason})`);
      });
      signal?.addEventListener('abort', cancel);
      listen();
      host.tell(profiler, { type: 'profiler.measure', requestId, replyTo: port, ...what });
    });
  }
}
