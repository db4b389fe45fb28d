/**
 * Metadata stores that are wrong in one way each, so that the suite is known to notice: every one
 * of them must fail a case. All are wrappers around a good store.
 */

import type {
  Expected,
  MetadataStore,
  StoreChange,
  StoredRecord,
  WriteOutcome,
} from '../../nodes/stores/metadata-store.ts';

export interface BrokenStore {
  readonly flaw: string;
  readonly wrap: (store: MetadataStore) => MetadataStore;
}

/** A good store but for what is overridden. */
class Flawed implements MetadataStore {
  protected readonly good: MetadataStore;

  constructor(good: MetadataStore) {
    this.good = good;
  }

  get(key: string): Promise<StoredRecord | undefined> {
    return this.good.get(key);
  }

  list(prefix: string): Promise<readonly StoredRecord[]> {
    return this.good.list(prefix);
  }

  put(key: string, value: unknown, expected: Expected): Promise<WriteOutcome> {
    return this.good.put(key, value, expected);
  }

  remove(key: string, expected: Expected): Promise<WriteOutcome> {
    return this.good.remove(key, expected);
  }

  watch(prefix: string, listener: (change: StoreChange) => void): Promise<() => void> {
    return this.good.watch(prefix, listener);
  }

  close(): Promise<void> {
    return this.good.close();
  }
}

class IgnoresExpected extends Flawed {
  override put(key: string, value: unknown): Promise<WriteOutcome> {
    return this.good.put(key, value, 'any');
  }
}

class RemovesWhatever extends Flawed {
  override remove(key: string): Promise<WriteOutcome> {
    return this.good.remove(key, 'any');
  }
}

/** Right alone, wrong beside another writer. */
class LooksThenWrites extends Flawed {
  override async put(key: string, value: unknown, expected: Expected): Promise<WriteOutcome> {
    const current = await this.good.get(key);
    const fits =
      expected === 'any' ||
      (expected === 'absent' ? current === undefined : current?.revision === expected);
    return fits ? this.good.put(key, value, 'any') : { ok: false, current };
  }
}

/** The acknowledgement overtakes the write: a crash in between loses what was promised. */
class AcknowledgesEarly extends Flawed {
  private promised = 1_000_000;
  private readonly waiting: (() => void)[] = [];

  override put(key: string, value: unknown, expected: Expected): Promise<WriteOutcome> {
    this.waiting.push(() => void this.good.put(key, value, expected));
    if (this.waiting.length >= 50) for (const write of this.waiting.splice(0)) write();
    this.promised += 1;
    return Promise.resolve({ ok: true, revision: this.promised });
  }
}

class HidesTheCurrent extends Flawed {
  override async put(key: string, value: unknown, expected: Expected): Promise<WriteOutcome> {
    const outcome = await this.good.put(key, value, expected);
    return outcome.ok ? outcome : { ok: false, current: undefined };
  }
}

class ForgetsRemovals extends Flawed {
  override async remove(key: string, expected: Expected): Promise<WriteOutcome> {
    const current = await this.good.get(key);
    return this.good.put(key, current?.value, expected);
  }
}

class ListsEverything extends Flawed {
  override list(): Promise<readonly StoredRecord[]> {
    return this.good.list('');
  }
}

class ListsBackwards extends Flawed {
  override async list(prefix: string): Promise<readonly StoredRecord[]> {
    return [...(await this.good.list(prefix))].reverse();
  }
}

class WatchesEverything extends Flawed {
  override watch(_prefix: string, listener: (change: StoreChange) => void) {
    return this.good.watch('', listener);
  }
}

class MissesChanges extends Flawed {
  override watch(prefix: string, listener: (change: StoreChange) => void) {
    let count = 0;
    return this.good.watch(prefix, (change) => {
      count += 1;
      if (count % 7 !== 0) listener(change);
    });
  }
}

class TellsOutOfOrder extends Flawed {
  override watch(prefix: string, listener: (change: StoreChange) => void) {
    let held: StoreChange | undefined;
    return this.good.watch(prefix, (change) => {
      if (held === undefined) {
        held = change;
        return;
      }
      listener(change);
      listener(held);
      held = undefined;
    });
  }
}

class NeverStopsTelling extends Flawed {
  override async watch(prefix: string, listener: (change: StoreChange) => void) {
    await this.good.watch(prefix, listener);
    return () => undefined;
  }
}

class CountsEachKeyAlone extends Flawed {
  private readonly counts = new Map<string, number>();

  override async put(key: string, value: unknown, expected: Expected): Promise<WriteOutcome> {
    const outcome = await this.good.put(key, value, expected);
    if (!outcome.ok) return outcome;
    const revision = (this.counts.get(key) ?? 0) + 1;
    this.counts.set(key, revision);
    return { ok: true, revision };
  }
}

class TakesAnyKey extends Flawed {
  override put(key: string, value: unknown, expected: Expected): Promise<WriteOutcome> {
    return this.good.put(
      key.replaceAll(/\p{Cc}|^\/|\/$/gu, '').slice(0, 99) || 'x',
      value,
      expected,
    );
  }
}

class CutsLongValues extends Flawed {
  override put(key: string, value: unknown, expected: Expected): Promise<WriteOutcome> {
    const short = value instanceof Uint8Array ? value.subarray(0, 1_000) : value;
    return this.good.put(key, short, expected);
  }
}

class StaysOpen extends Flawed {
  private closed = false;

  override get(key: string): Promise<StoredRecord | undefined> {
    return this.closed ? Promise.resolve(undefined) : this.good.get(key);
  }

  override async close(): Promise<void> {
    this.closed = true;
    await this.good.close();
  }
}

export const brokenStores: readonly BrokenStore[] = [
  { flaw: 'ignores what a write expects', wrap: (good) => new IgnoresExpected(good) },
  { flaw: 'ignores what a removal expects', wrap: (good) => new RemovesWhatever(good) },
  { flaw: 'looks first and writes then', wrap: (good) => new LooksThenWrites(good) },
  { flaw: 'acknowledges before it has written', wrap: (good) => new AcknowledgesEarly(good) },
  { flaw: 'does not say who was first', wrap: (good) => new HidesTheCurrent(good) },
  { flaw: 'forgets removals', wrap: (good) => new ForgetsRemovals(good) },
  { flaw: 'lists every record', wrap: (good) => new ListsEverything(good) },
  { flaw: 'lists backwards', wrap: (good) => new ListsBackwards(good) },
  { flaw: 'tells of every record', wrap: (good) => new WatchesEverything(good) },
  { flaw: 'misses changes', wrap: (good) => new MissesChanges(good) },
  { flaw: 'tells changes out of order', wrap: (good) => new TellsOutOfOrder(good) },
  { flaw: 'never stops telling', wrap: (good) => new NeverStopsTelling(good) },
  { flaw: 'counts each key alone', wrap: (good) => new CountsEachKeyAlone(good) },
  { flaw: 'takes any key', wrap: (good) => new TakesAnyKey(good) },
  { flaw: 'cuts long values', wrap: (good) => new CutsLongValues(good) },
  { flaw: 'answers after it was closed', wrap: (good) => new StaysOpen(good) },
];
