/**
 * Looks a database file over before lmdb maps it: a file that is none, or that was cut off, would
 * end the process by a fault of memory instead of an error.
 *
 * The first two pages are headers, written in turn; of each: a page header of 24 bytes, then magic,
 * version, address, map size, two trees of 48 bytes, last page, transaction. Source: `MDB_meta` in
 * mdb.c as lmdb-js builds it; a test holds it against the real thing.
 */

import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';

import { StoreFailed } from '../../runtime/errors.ts';

const fileName = 'data.mdb';
const headerBytes = 160;
const magic = 0xbeefc0de;
const at = { magic: 24, pageBytes: 48, lastPage: 144, transaction: 152 } as const;

/** Throws StoreFailed; no file at all, or an empty one, is a new database. */
export function checkDatabaseFile(folder: string): void {
  const path = join(folder, fileName);
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  try {
    const { size } = fstatSync(file);
    if (size === 0) return;
    const first = readHeader(file, 0);
    const pageBytes = first?.readUInt32LE(at.pageBytes) ?? 0;
    const second = pageBytes < headerBytes ? undefined : readHeader(file, pageBytes);
    if (first === undefined || second === undefined) {
      throw new StoreFailed(`${path} is no lmdb database; use another --data`, path);
    }
    const newest = transactionOf(first) > transactionOf(second) ? first : second;
    const bytes = (Number(newest.readBigUInt64LE(at.lastPage)) + 1) * pageBytes;
    if (size >= bytes) return;
    throw new StoreFailed(
      `${path} is cut off: it has ${String(size)} of ${String(bytes)} bytes; put back a copy of ` +
        'it, or use another --data',
      path,
    );
  } finally {
    closeSync(file);
  }
}

function readHeader(file: number, position: number): Buffer | undefined {
  const header = Buffer.alloc(headerBytes);
  const bytes = readSync(file, header, 0, headerBytes, position);
  return bytes === headerBytes && header.readUInt32LE(at.magic) === magic ? header : undefined;
}

function transactionOf(header: Buffer): bigint {
  return header.readBigUInt64LE(at.transaction);
}
