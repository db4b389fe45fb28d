/**
 * Offline work of a scenario: the offline actor of production beside the first gateway, with one
 * job whose items lie in memory, more of them than can ever be answered.
 */

import { offlineSpec, type OfflineConfig } from '../../actors/offline/behaviour.ts';
import type { OfflineFilesCommand, OfflineFilesEvent } from '../../actors/offline/files-port.ts';
import { defaultSpareRules } from '../../actors/policy/offline/spare-capacity.ts';
import { assertNever } from '../../runtime/assert.ts';
import type { NamedTensors } from '../../runtime/wire/tensors.ts';
import type { SimGateway } from '../cluster/cluster.ts';
import type { OfflineAsked } from './scenario.ts';

/** The limits of production (`nodes/offline/config.ts`). */
const config: OfflineConfig = {
  ...{
    mailboxMax: 10_000,
    openMax: 100,
    keptMax: 1_000,
    runningMax: 4,
    itemsMax: 512,
    tickMs: 100,
  },
  ...{ itemTimeoutMs: 600_000, attemptsMax: 5, retryMs: 500, retryMaxMs: 30_000 },
  spare: defaultSpareRules,
};

const endless = 1_000_000_000;

export class OfflineWork {
  /** Items answered and written. */
  written = 0;
  private read = 0;
  private failed = 0;
  private readonly inputs: NamedTensors;

  constructor(
    { node: { host }, dispatcher }: SimGateway,
    asked: OfflineAsked,
    inputs: NamedTensors,
  ) {
    this.inputs = inputs;
    const files = host.port<OfflineFilesCommand>('offline-files', (command) => {
      const event = this.answer(command);
      if (event !== undefined && 'replyTo' in command) host.tell(command.replyTo, event);
    });
    const record = {
      ...{
        id: 'job-1',
        tenant: 'offline',
        items: endless,
        fingerprint: '',
        state: 'open' as const,
      },
      asked: {
        selector: { by: 'task' as const, task: asked.task, dataset: undefined },
        slo: { accuracyMin: asked.accuracyMin },
        ...{ outputs: undefined, input: '/in', output: '/out' },
      },
    };
    host.spawn(offlineSpec({ files, dispatcher, stored: () => [record], config }), 'offline');
  }

  private answer(command: OfflineFilesCommand): OfflineFilesEvent | undefined {
    const { written, failed } = this;
    switch (command.type) {
      case 'offline-files.prepare-job':
        return {
          type: 'offline.job-prepared',
          jobId: command.jobId,
          items: endless,
          fingerprint: '',
        };
      case 'offline-files.open-job':
        return { type: 'offline.job-opened', jobId: command.record.id, written, failed };
      case 'offline-files.read-items': {
        const items = Array.from({ length: command.count }, () => {
          const index = this.read;
          this.read += 1;
          return { index, id: index, inputs: this.inputs };
        });
        return { type: 'offline.items-read', jobId: command.jobId, items };
      }
      case 'offline-files.write-results':
        this.written += command.results.length;
        this.failed += command.results.filter(({ answer }) => !answer.ok).length;
        return {
          type: 'offline.results-written',
          jobId: command.jobId,
          written: this.written,
          failed: this.failed,
        };
      case 'offline-files.keep-record':
        return { type: 'offline.record-kept', jobId: command.record.id };
      case 'offline-files.drop-record':
      case 'offline-files.close-job':
        return undefined;
      default:
        return assertNever(command);
    }
  }
}
