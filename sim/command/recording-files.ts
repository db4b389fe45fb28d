/** Reads recordings from files, or from a folder of them. */

import { closeSync, openSync, readdirSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';

import { recordingExtension } from '../../actors/recording/entries.ts';
import { type Piece, readRecording } from '../../actors/recording/read-recording.ts';
import { ConfigInvalid, messageOf } from '../../runtime/errors.ts';

export interface RecordingFile {
  readonly file: string;
  /** Read as they are asked for, once. Throws ConfigInvalid where it is none, or is damaged. */
  readonly pieces: Iterable<Piece>;
}

/** @param paths Files, or folders of them. Throws ConfigInvalid. */
export function readRecordings(paths: readonly string[]): RecordingFile[] {
  return paths.flatMap(filesOf).map((file) => {
    return { file, pieces: readRecording(blocksOf(file), file) };
  });
}

function filesOf(path: string): string[] {
  try {
    if (!statSync(path).isDirectory()) return [path];
    const files = readdirSync(path).filter((file) => file.endsWith(recordingExtension));
    if (files.length > 0) return files.sort().map((file) => join(path, file));
  } catch (error) {
    throw new ConfigInvalid(`cannot read ${path}: ${messageOf(error)}`, path, error);
  }
  const what = `there is no recording (*${recordingExtension}) in ${path}`;
  throw new ConfigInvalid(`${what}; make one: infaas up --zoo --record ${path}`, path);
}

/** As `nodes/recording/recording-file.ts` writes them; what was cut short is left out. */
function* blocksOf(file: string): Generator<Uint8Array> {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(file, 'r');
    const length = new DataView(new ArrayBuffer(4));
    while (readSync(descriptor, length, 0, 4, null) === 4) {
      const block = blockOf(descriptor, length.getUint32(0, true), file);
      if (block === undefined) return;
      yield block;
    }
  } catch (error) {
    if (error instanceof ConfigInvalid) throw error;
    throw new ConfigInvalid(`cannot read ${file}: ${messageOf(error)}`, file, error);
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

/** No writer makes larger ones: a length beyond is something else's bytes. */
const blockBytesMax = 512 * 1024 * 1024;

function blockOf(descriptor: number, bytes: number, file: string): Uint8Array | undefined {
  if (bytes > blockBytesMax) {
    throw new ConfigInvalid(`${file} is no recording, or is damaged`, file);
  }
  const block = new Uint8Array(bytes);
  let read = 0;
  while (read < bytes) {
    const count = readSync(descriptor, block, read, bytes - read, null);
    if (count === 0) return undefined;
    read += count;
  }
  return block;
}
