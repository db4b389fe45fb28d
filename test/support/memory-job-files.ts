/** Offline jobs' files in memory, to test the actor with: items to read, lines written. */

import type { JobRecord } from '../../actors/domain/offline-job.ts';
import type {
  ItemResult,
  JobItem,
  OfflineFilesCommand,
  OfflineFilesEvent,
} from '../../actors/offline/files-port.ts';
import { defaultSpareRules } from '../../actors/policy/offline/spare-capacity.ts';
import type { OfflineConfig } from '../../actors/offline/behaviour.ts';

export const testOfflineConfig: OfflineConfig = {
  ...{ mailboxMax: 1_000, openMax: 3, keptMax: 2, runningMax: 2, itemsMax: 16, tickMs: 100 },
  ...{ itemTimeoutMs: 60_000, attemptsMax: 3, retryMs: 500, retryMaxMs: 4_000 },
  spare: defaultSpareRules,
};

export class MemoryJobFiles {
  readonly records = new Map<string, JobRecord>();
  readonly written: ItemResult[] = [];
  private readonly items: readonly JobItem[];
  private next = 0;

  constructor(items: readonly JobItem[]) {
    this.items = items;
  }

  /** What a command is answered with; undefined where nothing is. */
  answer(command: OfflineFilesCommand): OfflineFilesEvent | undefined {
    switch (command.type) {
      case 'offline-files.prepare-job': {
        const { jobId } = command;
        const items = this.items.length;
        return { type: 'offline.job-prepared', jobId, items, fingerprint: 'same' };
      }
      case 'offline-files.open-job': {
        const written = this.written.length;
        this.next = written;
        const failed = this.written.filter(({ answer }) => !answer.ok).length;
        return { type: 'offline.job-opened', jobId: command.record.id, written, failed };
      }
      case 'offline-files.read-items': {
        const items = this.items.slice(this.next, this.next + command.count);
        this.next += items.length;
        return { type: 'offline.items-read', jobId: command.jobId, items };
      }
      case 'offline-files.write-results': {
        this.written.push(...command.results);
        const written = this.written.length;
        const failed = this.written.filter(({ answer }) => !answer.ok).length;
        return { type: 'offline.results-written', jobId: command.jobId, written, failed };
      }
      case 'offline-files.keep-record':
        this.records.set(command.record.id, command.record);
        return { type: 'offline.record-kept', jobId: command.record.id };
      case 'offline-files.drop-record':
        this.records.delete(command.jobId);
        return undefined;
      case 'offline-files.close-job':
        return undefined;
    }
  }
}
