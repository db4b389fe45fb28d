/**
 * The controller's store port over a metadata store of either kind. The controller tells what is to
 * be kept and goes on; what it reads at its start is a mirror in memory, which is as the controller
 * wrote it at once and follows what others write.
 *
 * A write that is not taken is tried again until it is, the newest of each key alone; meanwhile the
 * node says that it is not ready, and why. Keys are written by compare-and-set: when another
 * controller was granted a higher epoch meanwhile, this one has been superseded.
 */

import type { StoredControl } from '../../actors/controller/behaviour.ts';
import type { StoreCommand, StoreReply } from '../../actors/controller/protocol.ts';
import type { Family } from '../../actors/domain/family.ts';
import type { Variant } from '../../actors/domain/variant.ts';
import type { ActorHost, Ref } from '../../runtime/actor.ts';
import { assertNever } from '../../runtime/assert.ts';
import type { Cancel, Clock } from '../../runtime/clock.ts';
import { messageOf, StoreFailed } from '../../runtime/errors.ts';
import type { Logger } from '../../runtime/log.ts';
import type { EpochRecord } from '../../runtime/membership.ts';
import type { Metrics } from '../../runtime/metrics.ts';
import { familySchema, variantSchema } from '../shared-schemas.ts';
import type { MetadataStore, StoreChange, WriteOutcome } from './metadata-store.ts';

export interface ControlStore {
  port(host: ActorHost): Ref<StoreCommand>;
  read(): Required<StoredControl>;
  /** The store behind it, for whoever keeps other records in it. */
  readonly records: MetadataStore;
  /** Resolves when what was written is on disk; rejects when some of it could not be. */
  close(): Promise<void>;
}

export interface ControlStoreOptions {
  readonly store: MetadataStore;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly retryMs: number;
  readonly retryMaxMs: number;
  /** Why writes are not taken; undefined once they are again. */
  readonly onTrouble: (why: string | undefined) => void;
  /** Another controller was granted a higher epoch over the same store. */
  readonly onSuperseded: (why: string) => void;
}

const prefixes = ['epoch/', 'family/', 'variant/'] as const;

/** What stands under a key, or is to. */
interface Kept {
  /** Undefined: nothing, or nothing that can be read. */
  value: unknown;
  /** Of the store's own record; `absent` where it has none. */
  revision: number | 'absent';
  /** The newest change of it that is known, removals included. */
  seen: number;
  /** Not yet taken by the store. */
  wanted: boolean;
  writing: boolean;
}

export async function openControlStore(options: ControlStoreOptions): Promise<ControlStore> {
  const keeper = new ControlKeeper(options);
  await keeper.begin();
  return keeper;
}

class ControlKeeper implements ControlStore {
  readonly records: MetadataStore;
  private readonly options: ControlStoreOptions;
  private readonly kept = new Map<string, Kept>();
  private readonly running = new Set<Promise<void>>();
  /** By key: why its last write was not taken. */
  private readonly failing = new Map<string, string>();
  /** By key: who is to be told when it is stored. */
  private readonly asking = new Map<string, readonly StoreReply[]>();
  private host: ActorHost | undefined;
  private stopWatching: () => void = () => undefined;
  private retry: Cancel | undefined;
  private failures = 0;
  private closing = false;

  constructor(options: ControlStoreOptions) {
    this.options = options;
    this.records = options.store;
  }

  async begin(): Promise<void> {
    const { store } = this.options;
    // First the watch: what changes between the two is told, and then read as well.
    this.stopWatching = await store.watch('', (change) => {
      this.follow(change);
    });
    for (const prefix of prefixes) {
      for (const record of await store.list(prefix)) this.follow({ kind: 'put', record });
    }
  }

  port(host: ActorHost): Ref<StoreCommand> {
    this.host = host;
    return host.port<StoreCommand>('store', (command) => {
      this.receive(command);
    });
  }

  read(): Required<StoredControl> {
    const epochs: Record<string, EpochRecord> = {};
    const families: Family[] = [];
    const variants: Variant[] = [];
    for (const [key, { value }] of this.kept) {
      if (value === undefined) continue;
      if (key.startsWith('epoch/')) epochs[(value as EpochRecord).node] = value as EpochRecord;
      else if (key.startsWith('family/')) families.push(value as Family);
      else variants.push(value as Variant);
    }
    return { epochs, families, variants };
  }

  async close(): Promise<void> {
    this.closing = true;
    this.retry?.();
    await this.idle();
    // Once more, for what was waiting to be tried again.
    for (const key of this.failing.keys()) this.write(key);
    await this.idle();
    this.stopWatching();
    await this.options.store.close();
    const lost = [...this.failing.keys()];
    if (lost.length === 0) return;
    const why = this.failing.values().next().value ?? '';
    throw new StoreFailed(
      `${String(lost.length)} records could not be written before the end ` +
        `(${lost.slice(0, 3).join(', ')}): ${why}`,
      'store',
    );
  }

  private receive(command: StoreCommand): void {
    switch (command.type) {
      case 'store.put':
        this.want(command.key, command.value, command.replyTo);
        return;
      case 'store.remove':
        this.want(command.key, undefined, command.replyTo);
        return;
      default:
        assertNever(command);
    }
  }

  private want(key: string, value: unknown, replyTo: StoreReply | undefined): void {
    if (replyTo !== undefined) this.asking.set(key, [...(this.asking.get(key) ?? []), replyTo]);
    const kept = this.kept.get(key);
    if (kept === undefined) {
      this.kept.set(key, { value, revision: 'absent', seen: 0, wanted: true, writing: false });
    } else {
      kept.value = value;
      kept.wanted = true;
    }
    this.write(key);
  }

  /** One write a key at a time; what is wanted meanwhile follows when it has ended. */
  private write(key: string): void {
    const kept = this.kept.get(key);
    if (kept === undefined || kept.writing || !kept.wanted) return;
    kept.writing = true;
    kept.wanted = false;
    const { value } = kept;
    const writing = this.attempt(key, kept, value).then(() => {
      this.running.delete(writing);
      kept.writing = false;
      if (kept.wanted && !this.failing.has(key)) this.write(key);
    });
    this.running.add(writing);
  }

  private async attempt(key: string, kept: Kept, value: unknown): Promise<void> {
    const { store } = this.options;
    try {
      const outcome =
        value === undefined
          ? await store.remove(key, kept.revision)
          : await store.put(key, value, kept.revision);
      this.judge(key, kept, value, outcome);
      this.succeeded(key);
      if (!kept.wanted) this.tellStored(key);
    } catch (error) {
      kept.wanted = true;
      this.failed(key, messageOf(error));
    }
  }

  private judge(key: string, kept: Kept, value: unknown, outcome: WriteOutcome): void {
    if (outcome.ok) {
      kept.revision = value === undefined ? 'absent' : outcome.revision;
      kept.seen = Math.max(kept.seen, outcome.revision);
      return;
    }
    kept.revision = outcome.current?.revision ?? 'absent';
    const theirs = outcome.current?.value as Partial<EpochRecord> | undefined;
    if (key.startsWith('epoch/') && Number(theirs?.epoch) >= (value as EpochRecord).epoch) {
      kept.value = theirs;
      this.options.onSuperseded(
        `another controller granted "${key}" epoch ${String(theirs?.epoch)} in the same store`,
      );
      return;
    }
    kept.wanted = true;
  }

  /** Whoever asked hears of it once nothing newer of the key is left to be written. */
  private tellStored(key: string): void {
    for (const { requestId, ref } of this.asking.get(key) ?? []) {
      this.host?.tell(ref, { type: 'registrar.family-stored', requestId });
    }
    this.asking.delete(key);
  }

  private succeeded(key: string): void {
    if (!this.failing.delete(key) || this.failing.size > 0) return;
    this.failures = 0;
    this.report();
    this.options.log.info('the store takes writes again');
  }

  private failed(key: string, why: string): void {
    const { log, metrics } = this.options;
    metrics.count('store_writes_failed_total');
    log.error('the store did not take a write; it is tried again', { key, error: why });
    this.failing.set(key, why);
    this.report();
    if (this.closing || this.retry !== undefined) return;
    const { clock, retryMs, retryMaxMs } = this.options;
    this.failures += 1;
    this.retry = clock.schedule(Math.min(retryMaxMs, retryMs * 2 ** (this.failures - 1)), () => {
      this.retry = undefined;
      for (const waiting of this.failing.keys()) this.write(waiting);
    });
  }

  private report(): void {
    const waiting = this.failing.size;
    this.options.metrics.gauge('store_writes_waiting', waiting);
    const [first] = this.failing.values();
    this.options.onTrouble(
      first === undefined ? undefined : `${String(waiting)} writes wait for the store: ${first}`,
    );
  }

  private async idle(): Promise<void> {
    while (this.running.size > 0) await Promise.all(this.running);
  }

  /** What was written, by others too; our own writes come by here as well, and change nothing. */
  private follow(change: StoreChange): void {
    const { key, revision } = change.kind === 'put' ? change.record : change;
    if (!prefixes.some((prefix) => key.startsWith(prefix))) return;
    const kept = this.kept.get(key);
    if (kept !== undefined && (kept.writing || kept.wanted || kept.seen >= revision)) return;
    const rest = { seen: revision, wanted: false, writing: false };
    if (change.kind === 'removed')
      this.kept.set(key, { value: undefined, revision: 'absent', ...rest });
    else this.kept.set(key, { value: this.readable(key, change.record.value), revision, ...rest });
  }

  /** What no longer fits its schema is left out, and said so: the rest still serves. */
  private readable(key: string, value: unknown): unknown {
    if (key.startsWith('epoch/')) return value;
    const isFamily = key.startsWith('family/');
    const parsed = (isFamily ? familySchema : variantSchema).safeParse(value);
    if (parsed.success) return parsed.data;
    const what = isFamily ? 'family' : 'variant';
    this.options.log.error(`a stored ${what} is unreadable and is left out`, { key });
    return undefined;
  }
}
