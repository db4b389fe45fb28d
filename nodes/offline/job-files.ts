/**
 * The adapter behind the offline actor's port: reads inputs, writes results, and keeps the records
 * of jobs in the metadata store. Commands of one job are carried out one after the other; each is
 * answered once.
 */

import { realpath } from 'node:fs/promises';
import { isAbsolute, join, relative } from 'node:path';

import type { JobAsked, JobId, JobRecord } from '../../actors/domain/offline-job.ts';
import { type QueryError, queryError } from '../../actors/domain/outcome.ts';
import { localPrincipal, type Principal } from '../../actors/domain/principal.ts';
import type { OfflineFilesCommand, OfflineFilesEvent } from '../../actors/offline/files-port.ts';
import type { ActorHost, Ref } from '../../runtime/actor.ts';
import { assert } from '../../runtime/assert.ts';
import { messageOf } from '../../runtime/errors.ts';
import type { Logger } from '../../runtime/log.ts';
import type { MetadataStore } from '../stores/metadata-store.ts';
import { jobRecordSchema } from '../shared-schemas.ts';
import type { OfflineSettings } from './config.ts';
import { findInputs, readItems } from './read-items.ts';
import { claimResults, ResultsFile } from './results-file.ts';

export interface JobFilesOptions {
  readonly host: ActorHost;
  readonly log: Logger;
  readonly records: MetadataStore;
  readonly settings: OfflineSettings;
}

type Command<T extends OfflineFilesCommand['type']> = Extract<OfflineFilesCommand, { type: T }>;

interface OpenJob {
  readonly items: ReturnType<typeof readItems>;
  readonly results: ResultsFile;
}

const prefix = 'offline/';

export class JobFiles {
  readonly port: Ref<OfflineFilesCommand>;
  private readonly options: JobFilesOptions;
  private readonly mirror = new Map<JobId, JobRecord>();
  private readonly opened = new Map<JobId, OpenJob>();
  /** The last thing under way, by job. */
  private readonly running = new Map<JobId, Promise<void>>();

  private constructor(options: JobFilesOptions) {
    this.options = options;
    this.port = options.host.port('offline-files', (command) => {
      this.receive(command);
    });
  }

  /** With the records that the store has. */
  static async open(options: JobFilesOptions): Promise<JobFiles> {
    const files = new JobFiles(options);
    for (const { key, value } of await options.records.list(prefix)) {
      const parsed = jobRecordSchema.safeParse(value);
      if (parsed.success) files.mirror.set(parsed.data.id, parsed.data);
      else options.log.error('a stored offline job is unreadable and is left out', { key });
    }
    return files;
  }

  /** Of all jobs, ended ones too. */
  stored(): readonly JobRecord[] {
    return [...this.mirror.values()];
  }

  /** Resolves when nothing is under way and no file is open. */
  async close(): Promise<void> {
    this.options.host.closePort(this.port);
    while (this.running.size > 0) await Promise.all(this.running.values());
    for (const jobId of [...this.opened.keys()]) await this.closeJob(jobId);
  }

  private receive(command: OfflineFilesCommand): void {
    const jobId = 'record' in command ? command.record.id : command.jobId;
    const before = this.running.get(jobId) ?? Promise.resolve();
    const running = before
      .then(() => this.carryOut(command))
      .then((event) => {
        if (event !== undefined && 'replyTo' in command) {
          this.options.host.tell(command.replyTo, event);
        }
      })
      .catch((error: unknown) => {
        this.options.log.warn('an offline job could not go on', {
          job: jobId,
          error: messageOf(error),
        });
        if (!('replyTo' in command)) return;
        const broken = { type: 'offline.job-broken' as const, jobId, error: brokenBy(error) };
        this.options.host.tell(command.replyTo, broken);
      })
      .finally(() => {
        if (this.running.get(jobId) === running) this.running.delete(jobId);
      });
    this.running.set(jobId, running);
  }

  private async carryOut(command: OfflineFilesCommand): Promise<OfflineFilesEvent | undefined> {
    switch (command.type) {
      case 'offline-files.prepare-job':
        return this.prepare(command);
      case 'offline-files.open-job':
        return this.openJob(command);
      case 'offline-files.read-items':
        return this.read(command);
      case 'offline-files.write-results':
        return this.write(command);
      case 'offline-files.close-job':
        await this.closeJob(command.jobId);
        return undefined;
      case 'offline-files.keep-record': {
        const { record } = command;
        this.mirror.set(record.id, record);
        await this.options.records.put(`${prefix}${record.id}`, record, 'any');
        return { type: 'offline.record-kept', jobId: record.id };
      }
      case 'offline-files.drop-record':
        this.mirror.delete(command.jobId);
        await this.options.records.remove(`${prefix}${command.jobId}`, 'any');
        return undefined;
    }
  }

  private async prepare({
    jobId,
    asked,
    principal,
  }: Command<'offline-files.prepare-job'>): Promise<OfflineFilesEvent> {
    const { settings } = this.options;
    await checkPlaces(asked, principal, settings.folders);
    const { items, fingerprint } = await findInputs(asked.input, settings);
    if (items === 0) throw new JobRefused('bad_input', `${asked.input} holds no inputs`);
    if (items > settings.itemsPerJobMax) {
      const most = String(settings.itemsPerJobMax);
      throw new JobRefused('too_large', `${asked.input} holds more than ${most} items, the limit`);
    }
    await claimResults(asked.output);
    return { type: 'offline.job-prepared', jobId, items, fingerprint };
  }

  private async openJob({
    record,
    inputs,
  }: Command<'offline-files.open-job'>): Promise<OfflineFilesEvent> {
    const { settings } = this.options;
    const { id, asked, fingerprint } = record;
    await this.closeJob(id);
    if ((await findInputs(asked.input, settings)).fingerprint !== fingerprint) {
      const message = `${asked.input} has changed since the job was submitted; submit it anew`;
      throw new JobRefused('bad_input', message);
    }
    const results = await ResultsFile.open(asked.output, settings.outputElementsMax);
    const items = readItems(asked.input, results.written, inputs, settings);
    this.opened.set(id, { items, results });
    const { written, failed } = results;
    return { type: 'offline.job-opened', jobId: id, written, failed };
  }

  private async read({
    jobId,
    count,
  }: Command<'offline-files.read-items'>): Promise<OfflineFilesEvent> {
    const items = [];
    const source = this.opened.get(jobId)?.items;
    while (source !== undefined && items.length < count) {
      const next = await source.next();
      if (next.done === true) break;
      items.push(next.value);
    }
    return { type: 'offline.items-read', jobId, items };
  }

  private async write({
    jobId,
    results,
  }: Command<'offline-files.write-results'>): Promise<OfflineFilesEvent> {
    const file = this.opened.get(jobId)?.results;
    assert(file !== undefined, 'results are written to a job that is open');
    assert(results[0]?.index === file.written, 'results are written in order');
    await file.append(results);
    const { written, failed } = file;
    return { type: 'offline.results-written', jobId, written, failed };
  }

  private async closeJob(jobId: JobId): Promise<void> {
    const open = this.opened.get(jobId);
    this.opened.delete(jobId);
    await open?.items.return();
    await open?.results.close();
  }
}

/** For good: what is asked cannot be done. */
class JobRefused extends Error {
  readonly code: 'bad_input' | 'too_large' | 'unauthorized';

  constructor(code: JobRefused['code'], message: string) {
    super(message);
    this.code = code;
  }
}

/** A path that is not there is the submitter's to mend; a full disk may pass. */
const forGood: ReadonlySet<unknown> = new Set([
  ...['ENOENT', 'ENOTDIR', 'EISDIR', 'EACCES', 'EPERM', 'EROFS', 'EEXIST', 'ENAMETOOLONG'],
]);

function brokenBy(error: unknown): QueryError {
  if (error instanceof JobRefused) return queryError(error.code, error.message);
  const { code } = error as { readonly code?: unknown };
  const message = messageOf(error);
  return forGood.has(code) ? queryError('bad_input', message) : queryError('unavailable', message);
}

/** Throws JobRefused where a job may not read or write there. */
async function checkPlaces(
  { input, output }: JobAsked,
  principal: Principal,
  folders: readonly string[],
): Promise<void> {
  const relativeOne = [input, output].find((path) => !isAbsolute(path));
  if (relativeOne !== undefined) {
    throw new JobRefused('bad_input', `${relativeOne}: give a whole path, from the root on`);
  }
  if (folders.length === 0) {
    if (principal.name === localPrincipal.name) return;
    throw new JobRefused(
      'unauthorized',
      'whoever comes with a token may not name files of this machine: its owner can allow ' +
        'folders in the configuration (offline.folders)',
    );
  }
  const allowed = await Promise.all(folders.map((folder) => realpath(folder)));
  for (const path of [input, output]) {
    const real = await realOf(path);
    if (allowed.some((folder) => isWithin(folder, real))) continue;
    const known = folders.join(', ');
    throw new JobRefused('unauthorized', `${path} is in none of offline.folders: ${known}`);
  }
}

/** Through all links; of what is not there yet, its nearest ancestor that is. */
async function realOf(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    const parent = join(path, '..');
    if ((error as { code?: unknown }).code !== 'ENOENT' || parent === path) throw error;
    return join(await realOf(parent), relative(parent, path));
  }
}

function isWithin(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return way === '' || (!way.startsWith('..') && !isAbsolute(way));
}
