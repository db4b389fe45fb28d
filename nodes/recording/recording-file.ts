/**
 * The recording of a process: a file of blocks, each a length (uint32, little-endian) and that many
 * bytes of whole entries, so that one cut short is good up to its last whole block.
 */

import { createWriteStream, mkdirSync, type WriteStream } from 'node:fs';
import { join } from 'node:path';

import { type Root, recordingExtension } from '../../actors/recording/entries.ts';
import { TurnWriter } from '../../actors/recording/turn-writer.ts';
import type { ActorSpec } from '../../runtime/actor.ts';
import type { Cancel, Clock } from '../../runtime/clock.ts';
import { ConfigInvalid, messageOf } from '../../runtime/errors.ts';
import type { Logger } from '../../runtime/log.ts';
import type { RecordingConfig } from './config.ts';

export interface RecordingOptions {
  readonly node: string;
  readonly incarnation: string;
  readonly config: RecordingConfig;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface RecordingFile {
  readonly path: string;
  record<S, M>(spec: ActorSpec<S, M>, root: Root): ActorSpec<S, M>;
  /** Resolves when all is in the file. */
  close(): Promise<void>;
}

/** Sooner than `writeMs` when so much waits. */
const blockBytes = 256 * 1024;

/** Undefined where nothing is to be recorded. Throws ConfigInvalid when it cannot be written. */
export function openRecording(options: RecordingOptions): RecordingFile | undefined {
  const { node, incarnation, config, clock, log } = options;
  const { folder, bytesMax, writeMs } = config;
  if (folder === undefined) return undefined;
  const path = join(folder, `${node}-${incarnation.slice(0, 8)}${recordingExtension}`);
  const file = openFile(folder, path);
  let waiting: Uint8Array[] = [];
  let waitingBytes = 0;
  let timer: Cancel | undefined;
  const flush = (): void => {
    timer?.();
    timer = undefined;
    if (waitingBytes === 0) return;
    const length = Buffer.allocUnsafe(4);
    length.writeUInt32LE(waitingBytes);
    file.write(length);
    for (const bytes of waiting) file.write(bytes);
    waiting = [];
    waitingBytes = 0;
  };
  const writer = new TurnWriter({
    header: { node, wallMs: clock.wallMs(), nowMs: clock.nowMs() },
    bytesMax,
    write: (bytes) => {
      waiting.push(bytes);
      waitingBytes += bytes.byteLength;
      if (waitingBytes >= blockBytes) flush();
      else timer ??= clock.schedule(writeMs, flush);
    },
    onFull: () => {
      log.warn('the recording is full and ends here', { path, bytesMax });
    },
  });
  // Serving goes on without it.
  file.on('error', (error) => {
    log.error('the recording cannot be written and ends here', { path, error: error.message });
    writer.close(error.message);
  });
  return {
    path,
    record: (spec, root) => writer.record(spec, root),
    close: () => {
      writer.close('the process ended');
      flush();
      return new Promise((resolve) => {
        if (file.closed) resolve();
        else {
          file.once('close', resolve);
          file.end();
        }
      });
    },
  };
}

function openFile(folder: string, path: string): WriteStream {
  try {
    mkdirSync(folder, { recursive: true });
    return createWriteStream(path, { flags: 'wx' });
  } catch (error) {
    throw new ConfigInvalid(`cannot record in ${folder}: ${messageOf(error)}`, '--record', error);
  }
}
