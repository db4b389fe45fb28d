/**
 * Between a gateway and the registrar and the offline jobs, which live on the controller's node:
 * hands over what a client asks of them, and hands back what is told of it, the last of it once.
 *
 * A registration goes on when whoever asked for it is gone: asked for again, it is a no-op.
 */

import type { QueryError } from '../../actors/domain/outcome.ts';
import { queryError } from '../../actors/domain/outcome.ts';
import type { Principal } from '../../actors/domain/principal.ts';
import type { OfflineEvent } from '../../actors/offline/protocol.ts';
import type { RegistrationProgress } from '../../actors/domain/registration.ts';
import type { RegistrationEvent } from '../../actors/registrar/protocol.ts';
import type { UploadEvent } from '../../actors/registrar/uploads-port.ts';
import type { Ref } from '../../runtime/actor.ts';
import type { Cancel } from '../../runtime/clock.ts';
import type { JsonObject } from './decode-request.ts';
import { parseRegistration, type RegistrationOperation } from './parse-registration.ts';
import type { GatewayOptions, RegistrationRefs } from './query-desk.ts';

/** An answer, without the id and the operation that it goes out with. */
export interface RegistrationAnswer {
  readonly ok: boolean;
  /** True: more comes. */
  readonly partial?: true;
  readonly error?: QueryError;
  readonly [field: string]: unknown;
}

type DeskEvent = RegistrationEvent | UploadEvent | OfflineEvent;

interface Pending {
  readonly answer: (answer: RegistrationAnswer) => void;
  readonly op: RegistrationOperation;
  heardMs: number;
}

/** How long nothing may come of a request. A lab job may take `lab.jobMs` and say nothing. */
const silentMs: Readonly<Record<RegistrationOperation, number>> = {
  upload: 30_000,
  register: 660_000,
  unregister: 30_000,
  // Large inputs are counted first.
  'offline-submit': 120_000,
  'offline-status': 10_000,
  'offline-cancel': 10_000,
  'offline-list': 10_000,
};
const sweepMs = 1_000;

export class RegistrationDesk {
  private readonly options: GatewayOptions;
  private readonly port: Ref<DeskEvent>;
  private readonly pending = new Map<string, Pending>();
  private unwatch: (() => void) | undefined;
  private sweep: Cancel | undefined;
  private closing = false;

  constructor(name: string, options: GatewayOptions) {
    this.options = options;
    this.port = options.host.port(`registrations-${name}`, (message) => {
      this.receive(message);
    });
  }

  get size(): number {
    return this.pending.size;
  }

  /** Every request is answered; the last answer is the one that is not partial. */
  request(
    op: RegistrationOperation,
    value: JsonObject,
    principal: Principal,
    answer: (answer: RegistrationAnswer) => void,
  ): void {
    const { registration, config, host, newQueryId, clock } = this.options;
    const parsed = parseRegistration(op, value);
    if (!parsed.ok) {
      answer({ ok: false, error: parsed.error });
      return;
    }
    if (registration === undefined || this.closing) {
      const why = this.closing ? 'this gateway is closing' : 'no models are registered here';
      answer({ ok: false, error: queryError('unavailable', why) });
      return;
    }
    if (this.pending.size >= config.registrationsMax) {
      const message = `${this.pending.size} registrations and uploads are under way, the limit`;
      answer({ ok: false, error: queryError('overloaded', message) });
      return;
    }
    const requestId = newQueryId();
    this.pending.set(requestId, { answer, op, heardMs: clock.nowMs() });
    this.keepWatch(registration.registrar);
    const sent = { ...parsed.request, requestId, principal, replyTo: this.port };
    switch (sent.type) {
      case 'uploads.write-chunk':
        host.tell(registration.uploads, sent);
        return;
      case 'offline.submit-job':
      case 'offline.describe-jobs':
      case 'offline.cancel-job':
        host.tell(registration.offline, sent);
        return;
      default:
        host.tell(registration.registrar, sent);
    }
  }

  close(): void {
    this.closing = true;
    this.refuseAll('this gateway closed; a registration goes on, ask for it again');
    this.unwatch?.();
    this.sweep?.();
    this.options.host.closePort(this.port);
  }

  private receive(message: DeskEvent): void {
    const pending = this.pending.get(message.requestId);
    if (pending === undefined) return;
    switch (message.type) {
      case 'gateway.registration-progressed':
        pending.heardMs = this.options.clock.nowMs();
        pending.answer({ ok: true, partial: true, progress: withoutGaps(message.progress) });
        return;
      case 'gateway.chunk-written':
        this.settle(message.requestId, { ok: true, bytes: message.bytes });
        return;
      case 'gateway.family-registered':
      case 'gateway.family-unregistered':
        this.settle(message.requestId, { ok: true, report: message.report });
        return;
      case 'gateway.jobs-described': {
        const { jobs } = message;
        const told = pending.op === 'offline-list' ? { jobs } : { job: jobs[0] };
        this.settle(message.requestId, { ok: true, ...told });
        return;
      }
      case 'gateway.job-refused':
      case 'gateway.registration-refused':
        this.settle(message.requestId, { ok: false, error: message.error });
    }
  }

  private settle(requestId: string, answer: RegistrationAnswer): void {
    const pending = this.pending.get(requestId);
    this.pending.delete(requestId);
    pending?.answer(answer);
    if (this.pending.size > 0) return;
    this.unwatch?.();
    this.unwatch = undefined;
  }

  private refuseAll(why: string): void {
    const error = queryError('unavailable', why);
    for (const requestId of [...this.pending.keys()]) this.settle(requestId, { ok: false, error });
  }

  /** Only while something is pending, so that it keeps no process alive. */
  private keepWatch(registrar: RegistrationRefs['registrar']): void {
    this.unwatch ??= this.options.host.watch(registrar, ({ detail }) => {
      this.unwatch = undefined;
      this.refuseAll(`the registrar is gone: ${detail}`);
    });
    this.sweep ??= this.options.clock.schedule(sweepMs, () => {
      this.sweep = undefined;
      const nowMs = this.options.clock.nowMs();
      for (const [requestId, { op, heardMs }] of this.pending) {
        if (nowMs - heardMs < silentMs[op]) continue;
        const error = queryError('unavailable', 'the registrar did not answer in time');
        this.settle(requestId, { ok: false, error });
      }
      if (this.pending.size > 0) this.keepWatch(registrar);
    });
  }
}

/** What is undefined here would be a null in MessagePack. */
function withoutGaps({ variant, ...counted }: RegistrationProgress): RegistrationProgress {
  return variant === undefined ? counted : { ...counted, variant };
}
