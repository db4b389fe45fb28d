/**
 * What commands ask of a running system, whichever way it is reached; `connection.ts` makes one.
 */

import type {
  ArchitectureDescription,
  InstanceDescription,
  TaskDescription,
  TensorDescription,
  VariantDescription,
  WorkerDescription,
} from '../../actors/domain/fleet-description.ts';
import type { Explanation, Quote } from '../../actors/domain/explanation.ts';
import type { JobDescription } from '../../actors/domain/offline-job.ts';
import type { QueryError } from '../../actors/domain/outcome.ts';
import type { QueryRequest, QueryServed, Slo } from '../../actors/domain/query.ts';
import type { RegistrationReport, UnregisterReport } from '../../actors/domain/registration.ts';
import type {
  FileContent,
  ManifestInput,
  OfflineJob,
  RegisterCallOptions,
  Subject,
  SubjectExplanation,
  SubscribeFilter,
  SubscriptionNews,
} from '../../client/index.ts';
import type { NamedTensors } from '../../runtime/wire/tensors.ts';
import type { QuerySelector } from './client-options.ts';

export interface SystemQuery extends QuerySelector {
  readonly slo?: Slo;
  readonly onMiss?: QueryRequest['onMiss'];
  readonly timeoutMs?: number;
  readonly priority?: number;
  readonly inputs: NamedTensors;
  readonly outputs?: readonly string[];
}

export interface QuoteAsked extends QuerySelector {
  readonly slo?: Slo;
  readonly onMiss?: QueryRequest['onMiss'];
  readonly batch?: number;
}

export interface FleetFilters {
  readonly task?: string;
  readonly dataset?: string;
  readonly architecture?: string;
}

export interface SystemServed extends QueryServed {
  readonly id: string;
}

export interface SystemRefused {
  readonly ok: false;
  readonly id: string;
  /** Absent where the query never reached the system. */
  readonly queryId?: string;
  readonly error: QueryError;
}

export type SystemAnswer = SystemServed | SystemRefused;

export interface System {
  /** Resolves with the terminal answer, refusals and a lost connection included; never rejects. */
  query(query: SystemQuery): Promise<SystemAnswer>;
  tasks(filters?: FleetFilters): Promise<readonly TaskDescription[]>;
  architectures(filters?: FleetFilters): Promise<readonly ArchitectureDescription[]>;
  variants(filters?: FleetFilters): Promise<readonly VariantDescription[]>;
  workers(): Promise<readonly WorkerDescription[]>;
  instances(): Promise<readonly InstanceDescription[]>;
  register(
    manifest: ManifestInput,
    files: Readonly<Record<string, FileContent>>,
    options: RegisterCallOptions,
  ): Promise<RegistrationReport>;
  unregister(architecture: string, variant?: string): Promise<UnregisterReport>;
  /** These two reject with QueryWasRefused where the system refuses. */
  explain(queryId: string): Promise<Explanation>;
  quote(asked: QuoteAsked): Promise<Quote>;
  explainSubject(subject: Subject): Promise<SubjectExplanation>;
  /** Until `signal` aborts. */
  subscribe(
    filter: SubscribeFilter,
    listener: (news: SubscriptionNews) => void,
    signal: AbortSignal,
  ): Promise<void>;
  submitOffline(job: OfflineJob): Promise<JobDescription>;
  offlineStatus(job: string): Promise<JobDescription>;
  cancelOffline(job: string): Promise<JobDescription>;
  offlineJobs(): Promise<readonly JobDescription[]>;
  close(): Promise<void>;
}

export interface QuerySignature {
  readonly inputs: readonly TensorDescription[];
  readonly outputs: readonly TensorDescription[];
}

/**
 * What the models that a query names take and give; undefined where nothing of that name is
 * registered. Carried state belongs to an architecture, so a task's signature has none.
 */
export async function signatureOf(
  system: System,
  selector: QuerySelector,
): Promise<QuerySignature | undefined> {
  if (selector.task !== undefined) {
    return (await system.tasks()).find(({ name }) => name === selector.task);
  }
  const architecture =
    selector.architecture ??
    (await system.variants()).find(({ name }) => name === selector.variant)?.architecture;
  return (await system.architectures()).find(({ name }) => name === architecture);
}

/**
 * A query that the system refuses for the name it asks for, with all names it knows: what to send
 * where `signatureOf` found nothing, so that the refusal comes from who knows.
 */
export function queryForRefusal(selector: QuerySelector): SystemQuery {
  const nothing = { datatype: 'UINT8', shape: [1], data: new Uint8Array(1) } as const;
  return { ...selector, inputs: { nothing } };
}
