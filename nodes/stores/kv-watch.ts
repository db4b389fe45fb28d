/**
 * Reading a KV bucket as a stream: the last entry of every key once, or every entry from a sequence
 * on. The client recovers what a lost connection makes it miss, but it may begin anew or give up:
 * so entries are told once, in the order of their sequence, and a watch that ended is begun again.
 */

import { type KV, type KvEntry, KvWatchInclude, type QueuedIterator } from 'nats';
import { setTimeout as pause } from 'node:timers/promises';

const beginAgainMs = 500;

/** Rejects when nothing comes for `idleMs`. */
export async function lastEntries(kv: KV, filter: string, idleMs: number): Promise<KvEntry[]> {
  const listing: { complete: boolean; entries?: QueuedIterator<KvEntry> } = { complete: false };
  const entries = await kv.watch({
    ...{ key: filter, include: KvWatchInclude.LastValue },
    // Called in its turn behind the last entry, or before `watch` returns where there is none.
    initializedFn: () => {
      listing.complete = true;
      listing.entries?.stop();
    },
  });
  listing.entries = entries;
  // Stopped, it still gives what it has.
  if (listing.complete) entries.stop();
  const timer = setTimeout(() => {
    entries.stop();
  }, idleMs);
  const found: KvEntry[] = [];
  try {
    for await (const entry of entries) {
      found.push(entry);
      timer.refresh();
    }
  } finally {
    clearTimeout(timer);
  }
  if (listing.complete) return found;
  throw new Error(`the server sent nothing for ${String(idleMs)} ms`);
}

export interface Following {
  readonly kv: KV;
  readonly filter: string;
  /** Entries above this sequence are told. */
  readonly after: number;
  readonly onEntry: (entry: KvEntry) => void;
  readonly onBroken: (error: unknown) => void;
}

/** Resolves when nothing after `after` can be missed any more; ends with the call. */
export async function followEntries(following: Following): Promise<() => void> {
  const { kv, filter, onEntry, onBroken } = following;
  let last = following.after;
  let stopped = false;
  const begin = (): Promise<QueuedIterator<KvEntry>> =>
    // From a sequence, not from "now": that would miss what happened before the watch began again.
    kv.watch({
      ...{ key: filter, include: KvWatchInclude.AllHistory, resumeFromRevision: last + 1 },
    });
  let entries = await begin();
  const isStopped = (): boolean => stopped;
  const follow = async (): Promise<void> => {
    for await (const entry of entries) {
      if (isStopped()) return;
      if (entry.revision <= last) continue;
      last = entry.revision;
      onEntry(entry);
    }
  };
  void (async () => {
    while (!isStopped()) {
      try {
        await follow();
        if (isStopped()) return;
        await pause(beginAgainMs, undefined, { ref: false });
        entries = await begin();
      } catch (error) {
        if (isStopped()) return;
        onBroken(error);
        await pause(beginAgainMs, undefined, { ref: false });
      }
    }
    entries.stop();
  })();
  return () => {
    stopped = true;
    entries.stop();
  };
}
