/**
 * The controller's store, embedded: lmdb in a directory. Keeps the registry and the epochs granted,
 * so that a restarted controller knows both. Writes are acknowledged in order; the kind of store
 * and its schema version are recorded, and a directory of another kind is refused.
 */

import { mkdirSync } from 'node:fs';

import { open } from 'lmdb';

import type { StoredControl } from '../../actors/controller/behaviour.ts';
import type { StoreCommand, StoreReply } from '../../actors/controller/protocol.ts';
import type { Family } from '../../actors/domain/family.ts';
import type { FamilyEvent } from '../../actors/registrar/protocol.ts';
import type { ActorHost, Ref } from '../../runtime/actor.ts';
import { assertNever } from '../../runtime/assert.ts';
import { messageOf, StoreFailed } from '../../runtime/errors.ts';
import type { Logger } from '../../runtime/log.ts';
import type { EpochRecord } from '../../runtime/membership.ts';
import { familySchema } from '../wire-schemas.ts';

export interface ControlStore {
  port(host: ActorHost): Ref<StoreCommand>;
  read(): StoredControl;
  /** Resolves when what was written is on disk. */
  close(): Promise<void>;
}

const kindKey = 'meta/kind';
const kind = 'lmdb/1';

export function openLmdbStore(directory: string, log: Logger): ControlStore {
  const database = openDatabase(directory);
  const found = database.get(kindKey) as string | undefined;
  if (found !== undefined && found !== kind) {
    throw new StoreFailed(
      `${directory} holds a store of kind "${found}", this version reads "${kind}"; ` +
        'use another --data',
      directory,
    );
  }
  database.putSync(kindKey, kind);
  const settle = async (
    host: ActorHost,
    written: Promise<unknown>,
    replyTo: StoreReply | undefined,
  ): Promise<void> => {
    let problem: string | undefined;
    try {
      await written;
      if (replyTo !== undefined) await database.flushed;
    } catch (error) {
      problem = messageOf(error);
      log.error('the store did not take a write', { directory, error: problem });
    }
    if (replyTo === undefined) return;
    const { requestId, ref } = replyTo;
    const event: FamilyEvent =
      problem === undefined
        ? { type: 'registrar.family-stored', requestId }
        : { type: 'registrar.family-not-stored', requestId, message: problem };
    host.tell(ref, event);
  };
  const receive = (host: ActorHost, command: StoreCommand): void => {
    switch (command.type) {
      case 'store.put':
        void settle(host, database.put(command.key, command.value), command.replyTo);
        return;
      case 'store.remove':
        void settle(host, database.remove(command.key), command.replyTo);
        return;
      default:
        assertNever(command);
    }
  };
  return {
    port: (host) =>
      host.port<StoreCommand>('store', (command) => {
        receive(host, command);
      }),
    read: () => ({ epochs: readEpochs(database), families: readFamilies(database, log) }),
    close: () => database.close(),
  };
}

type Database = ReturnType<typeof open>;

function openDatabase(directory: string): Database {
  try {
    mkdirSync(directory, { recursive: true });
    return open({ path: directory, noSubdir: false, encoding: 'msgpack' });
  } catch (error) {
    throw new StoreFailed(
      `cannot open the store in ${directory}: ${messageOf(error)}`,
      directory,
      error,
    );
  }
}

function readEpochs(database: Database): Record<string, EpochRecord> {
  const epochs: Record<string, EpochRecord> = {};
  for (const { value } of database.getRange({ start: 'epoch/', end: 'epoch0' })) {
    const record = value as EpochRecord;
    epochs[record.node] = record;
  }
  return epochs;
}

/** A family that no longer fits the schema is left out, and said so: the rest still serves. */
function readFamilies(database: Database, log: Logger): Family[] {
  const families: Family[] = [];
  for (const { key, value } of database.getRange({ start: 'family/', end: 'family0' })) {
    const parsed = familySchema.safeParse(value);
    if (parsed.success) families.push(parsed.data);
    else log.error('a stored family is unreadable and is left out', { key: String(key) });
  }
  return families;
}
