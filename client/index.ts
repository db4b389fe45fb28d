/**
 * The TypeScript client: `connect`, then `query`. Over WebSocket it runs in Node and in a browser,
 * over NATS in Node. What is expected to go wrong with a query is its answer, never a throw.
 *
 *     const client = await connect('ws://127.0.0.1:8080');
 *     const answer = await client.query({ task: 'digit-classification', dataset: 'mnist',
 *       slo: { latencyMs: 20 }, inputs: { image: { shape: [1, 1, 28, 28], data: pixels } } });
 */

import type {
  ArchitectureDescription,
  InstanceDescription,
  TaskDescription,
  VariantDescription,
  WorkerDescription,
} from '../actors/domain/fleet-description.ts';
import type { Explanation, Quote } from '../actors/domain/explanation.ts';
import type {
  FleetEventKind,
  RecordedEvent,
  Subject,
  SubjectExplanation,
} from '../actors/domain/fleet-event.ts';
import type { JobDescription } from '../actors/domain/offline-job.ts';
import { queryError } from '../actors/domain/outcome.ts';
import type {
  RegistrationProgress,
  RegistrationReport,
  UnregisterReport,
} from '../actors/domain/registration.ts';
import { type Answer, readAnswer } from './answer.ts';
import { ClientError } from './client-error.ts';
import { openNats } from './nats-transport.ts';
import {
  type FileContent,
  type ManifestInput,
  type ProgressListener,
  type RegisterCallOptions,
  type SendOperation,
  uploadFiles,
} from './register.ts';
import { buildRequest, type Query } from './request.ts';
import { failure, type FleetOperation, type Operation, type Transport } from './transport.ts';
import { openWebSocket } from './websocket-transport.ts';

export type { Answer, OutputTensor, RefusedAnswer, ServedAnswer } from './answer.ts';
export type { FileContent, ManifestInput, RegisterCallOptions } from './register.ts';
export type { Query, TensorData, TensorInput } from './request.ts';
export type { Attempt, Considered, Explanation, Quote } from '../actors/domain/explanation.ts';
export type {
  FleetEvent,
  FleetEventKind,
  RecordedEvent,
  Subject,
  SubjectExplanation,
} from '../actors/domain/fleet-event.ts';
export type { JobDescription } from '../actors/domain/offline-job.ts';
export { ClientError } from './client-error.ts';

export interface ConnectOptions {
  /** Asked for elsewhere than on loopback. */
  readonly token?: string;
  /** For the first connection, and for how long a query waits for a lost one. Default 5,000. */
  readonly connectTimeoutMs?: number;
}

export interface QueryOptions {
  /** Aborting cancels: the query is then answered `cancelled`. */
  readonly signal?: AbortSignal;
}

export interface FleetFilter {
  readonly task?: string;
  readonly dataset?: string;
  readonly architecture?: string;
}

/** What a quote is asked for: a query without its inputs. */
export interface QuoteRequest extends Pick<
  Query,
  'task' | 'dataset' | 'architecture' | 'variant' | 'slo' | 'onMiss'
> {
  /** Rows that the query would have; default 1. */
  readonly batch?: number;
}

/** Many inputs of one question, answered when online queries leave room. */
export interface OfflineJob extends Pick<
  Query,
  'task' | 'dataset' | 'architecture' | 'variant' | 'slo' | 'outputs'
> {
  /** A folder of inputs, or a file of JSON lines; absolute, on the controller's machine. */
  readonly input: string;
  /** The folder for `results.jsonl`, likewise. */
  readonly output: string;
}

export interface SubscribeFilter {
  /** Default: all but `selection`, which is one a query. */
  readonly kinds?: readonly FleetEventKind[];
  readonly worker?: string;
  readonly instance?: string;
}

/** With the wall clock's time of the gateway, ISO 8601. */
export type SubscribedEvent = RecordedEvent & { readonly at: string };

export interface SubscriptionNews {
  readonly events: readonly SubscribedEvent[];
  /** Events that came faster than they were taken, since the last news. */
  readonly lost: number;
}

/** A gateway says every 10 s that it has nothing to say. */
const quietTimeoutMs = 30_000;
const defaultTimeoutMs = 30_000;
/** Inputs are counted first. */
const offlineTimeoutMs = 120_000;
const consultTimeoutMs = 10_000;
/** Without any progress. A step of a registration is bounded by the system's `lab.jobMs`. */
const registerTimeoutMs = 660_000;
const defaultConnectTimeoutMs = 5_000;

/**
 * Connects to `ws://`, `wss://` (`http://`, `https://` mean the same) or `nats://`, where several
 * servers are separated by commas. Throws ClientError: `unavailable`, `unauthorized`, `bad_input`.
 */
export async function connect(url: string, options: ConnectOptions = {}): Promise<InfaasClient> {
  const { token, connectTimeoutMs = defaultConnectTimeoutMs } = options;
  const scheme = /^([a-z]+):\/\/./i.exec(url)?.[1]?.toLowerCase();
  switch (scheme) {
    case 'ws':
    case 'wss':
    case 'http':
    case 'https':
      return new InfaasClient(await openWebSocket(webSocketUrl(url), { token, connectTimeoutMs }));
    case 'nats':
    case 'tls':
      return new InfaasClient(await openNats(url, { token, connectTimeoutMs }));
    default: {
      const message = `${url}: expected a URL ws://…, wss://… or nats://…`;
      throw new ClientError(queryError('bad_input', message));
    }
  }
}

/** The path may be left out. */
function webSocketUrl(url: string): string {
  const parsed = new URL(url.replace(/^http/i, 'ws'));
  if (parsed.pathname === '/') parsed.pathname = '/v1/ws';
  return parsed.href;
}

/** A connection to a gateway. Any number of queries may be in flight at once. */
export class InfaasClient {
  private readonly transport: Transport;
  private readonly inFlight = new Set<string>();
  private requests = 0;

  /** Use `connect`. */
  constructor(transport: Transport) {
    this.transport = transport;
  }

  /** Resolves with the answer, also where it is a refusal; never rejects. */
  async query(query: Query, options: QueryOptions = {}): Promise<Answer> {
    const id = query.id ?? this.nextId();
    const { signal } = options;
    if (this.inFlight.has(id)) {
      return readAnswer(id, failure('bad_input', `id: "${id}" is the id of a query in flight`));
    }
    if (signal?.aborted === true) {
      return readAnswer(id, failure('cancelled', 'cancelled before it was sent'));
    }
    const built = buildRequest(query, id);
    if (!built.ok) return readAnswer(id, failure('bad_input', built.problem));
    const cancel = (): void => this.cancel(id);
    this.inFlight.add(id);
    signal?.addEventListener('abort', cancel, { once: true });
    try {
      const timeoutMs = query.timeoutMs ?? defaultTimeoutMs;
      return readAnswer(id, await this.transport.request('query', id, built.body, timeoutMs));
    } finally {
      this.inFlight.delete(id);
      signal?.removeEventListener('abort', cancel);
    }
  }

  /** The query is then answered `cancelled`, unless its answer was on its way already. */
  cancel(id: string): void {
    this.transport.cancel(id);
  }

  /** What can be asked for. This and its like throw ClientError. */
  tasks(filter: FleetFilter = {}): Promise<readonly TaskDescription[]> {
    return this.describe('tasks', filter);
  }

  architectures(filter: FleetFilter = {}): Promise<readonly ArchitectureDescription[]> {
    return this.describe('architectures', filter);
  }

  variants(filter: FleetFilter = {}): Promise<readonly VariantDescription[]> {
    return this.describe('variants', filter);
  }

  workers(): Promise<readonly WorkerDescription[]> {
    return this.describe('workers', {});
  }

  instances(filter: FleetFilter = {}): Promise<readonly InstanceDescription[]> {
    return this.describe('instances', filter);
  }

  /**
   * Registers a model: uploads the files that the manifest names, then waits until its family is
   * made and measured. Throws ClientError; registering the same again is a no-op.
   */
  async register(
    manifest: ManifestInput,
    files: Readonly<Record<string, FileContent>>,
    options: RegisterCallOptions = {},
  ): Promise<RegistrationReport> {
    const { onProgress, generate, profile, signal } = options;
    const request = this.operation(onProgress, signal);
    const upload = await uploadFiles(request, files, onProgress);
    const body = { upload, manifest, generate, profile };
    const answer = await request('register', body, registerTimeoutMs);
    return answer['report'] as RegistrationReport;
  }

  /** Removes an architecture, or one of its variants; what runs is finished first. */
  async unregister(architecture: string, variant?: string): Promise<UnregisterReport> {
    const request = this.operation();
    const answer = await request('unregister', { architecture, variant }, consultTimeoutMs);
    return answer['report'] as UnregisterReport;
  }

  /**
   * Submits an offline job; resolves when it would survive a crash. Its paths are the controller's.
   * This and its like throw ClientError.
   */
  async submitOffline(job: OfflineJob): Promise<JobDescription> {
    const body = Object.fromEntries(Object.entries(job).filter(([, value]) => value !== undefined));
    return (await this.consult('offline-submit', body, 'job', offlineTimeoutMs)) as JobDescription;
  }

  async offlineStatus(job: string): Promise<JobDescription> {
    return (await this.consult('offline-status', { job }, 'job')) as JobDescription;
  }

  /** What was written stays. */
  async cancelOffline(job: string): Promise<JobDescription> {
    return (await this.consult('offline-cancel', { job }, 'job')) as JobDescription;
  }

  async offlineJobs(): Promise<readonly JobDescription[]> {
    return (await this.consult('offline-list', {}, 'jobs')) as readonly JobDescription[];
  }

  /** Why a query went where it went; `queryId` is its answer's. Throws ClientError. */
  async explain(queryId: string): Promise<Explanation> {
    return (await this.consult('explain', { queryId }, 'explanation')) as Explanation;
  }

  /** Why an instance or a worker is as it is: what was decided of it, and what happened to it. */
  async explainSubject(subject: Subject): Promise<SubjectExplanation> {
    const asked = { [subject.kind]: subject.name };
    return (await this.consult('explain', asked, 'explanation')) as SubjectExplanation;
  }

  /**
   * What happens in the fleet, until `signal` aborts, when it resolves; throws ClientError when the
   * gateway is lost, or refuses. A listener that is too slow loses events: `lost` counts them.
   */
  async subscribe(
    filter: SubscribeFilter,
    listener: (news: SubscriptionNews) => void,
    signal: AbortSignal,
  ): Promise<void> {
    if (signal.aborted) return;
    const id = this.nextId();
    const cancel = (): void => this.cancel(id);
    const ending = (): boolean => signal.aborted;
    signal.addEventListener('abort', cancel, { once: true });
    try {
      const answer = await this.transport.request(
        ...(['subscribe', id, { ...filter }, quietTimeoutMs] as const),
        (news) => listener(news as unknown as SubscriptionNews),
      );
      if (answer.ok || ending()) return;
      throw new ClientError(answer.error ?? queryError('internal', 'a malformed answer came'));
    } finally {
      signal.removeEventListener('abort', cancel);
    }
  }

  /** What a query would get now, without running it. Throws ClientError. */
  async quote(asked: QuoteRequest): Promise<Quote> {
    return (await this.consult('quote', { ...asked }, 'quote')) as Quote;
  }

  /** Queries in flight are answered `unavailable`. */
  close(): Promise<void> {
    return this.transport.close();
  }

  /** Sends one of the operations that change what is registered; throws what is refused. */
  private operation(onProgress?: ProgressListener, signal?: AbortSignal): SendOperation {
    return async (operation, body, timeoutMs) => {
      if (signal?.aborted === true) {
        throw new ClientError(queryError('cancelled', 'cancelled before it was registered'));
      }
      const answer = await this.transport.request(
        operation,
        this.nextId(),
        Object.fromEntries(Object.entries(body).filter(([, value]) => value !== undefined)),
        timeoutMs,
        (partial) => onProgress?.(partial['progress'] as RegistrationProgress),
      );
      if (answer.ok) return answer;
      throw new ClientError(answer.error ?? queryError('internal', 'a malformed answer came'));
    };
  }

  private async describe<T>(operation: FleetOperation, filter: FleetFilter): Promise<readonly T[]> {
    return (await this.consult(operation, { ...filter }, operation)) as readonly T[];
  }

  private async consult(
    operation: Operation,
    body: Readonly<Record<string, unknown>>,
    field: string,
    timeoutMs = consultTimeoutMs,
  ): Promise<object> {
    const id = this.nextId();
    const answer = await this.transport.request(operation, id, body, timeoutMs);
    const given = answer[field];
    if (answer.ok && typeof given === 'object' && given !== null) return given;
    throw new ClientError(answer.error ?? queryError('internal', 'a malformed answer came'));
  }

  private nextId(): string {
    this.requests += 1;
    return `c${this.requests}`;
  }
}
