/** Reads recordings from files, or from a folder of them. */

import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

import { recordingExtension } from '../../actors/recording/entries.ts';
import { type Recording, readRecording } from '../../actors/recording/read-recording.ts';
import { ConfigInvalid, messageOf } from '../../runtime/errors.ts';

export interface NamedRecording {
  readonly file: string;
  readonly recording: Recording;
}

/** @param paths Files, or folders of them. Throws ConfigInvalid. */
export function readRecordings(paths: readonly string[]): NamedRecording[] {
  const files = paths.flatMap(filesOf);
  return files.map((file) => ({ file, recording: readRecording(blocksOf(file), file) }));
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
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    throw new ConfigInvalid(`cannot read ${file}: ${messageOf(error)}`, file, error);
  }
  let at = 0;
  while (at + 4 <= bytes.length) {
    const end = at + 4 + bytes.readUInt32LE(at);
    if (end > bytes.length) break;
    // A copy of its own: the decoder hands out parts of it.
    yield new Uint8Array(bytes.subarray(at + 4, end));
    at = end;
  }
}
