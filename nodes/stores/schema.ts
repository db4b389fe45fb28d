/**
 * The version of what the stores hold, and how an older store becomes a newer one: steps, each from
 * one version to the next, applied when a store is opened. A store of a newer version, or of
 * another kind, is refused.
 *
 * A step changes records one by one and must bear being applied twice: where the store has no
 * transactions (JetStream), a crash in the middle leaves it to the next start to begin again.
 */

import { StoreFailed } from '../../runtime/errors.ts';

export interface PlainRecord {
  readonly key: string;
  readonly value: unknown;
}

export interface SchemaStep {
  /** The version it starts from; it leads to the next. */
  readonly from: number;
  readonly why: string;
  /** The record in the new version; undefined removes it. */
  readonly migrate: (record: PlainRecord) => PlainRecord | undefined;
}

export interface Schema {
  readonly version: number;
  readonly steps: readonly SchemaStep[];
}

export const currentSchema: Schema = {
  version: 2,
  steps: [
    {
      from: 1,
      why: 'records carry revisions (the lmdb store moves them; their values stay)',
      migrate: (record) => record,
    },
  ],
};

/**
 * The steps from `found` to the schema's version. Throws StoreFailed where there is no way:
 * `address` is the store's.
 */
export function stepsFrom(found: number, schema: Schema, address: string): readonly SchemaStep[] {
  if (found > schema.version) {
    throw new StoreFailed(
      `${address} holds records of version ${String(found)}, this infaas knows versions up to ` +
        `${String(schema.version)}; use a newer infaas, or another --data`,
      address,
    );
  }
  const steps: SchemaStep[] = [];
  for (let version = found; version < schema.version; version += 1) {
    const step = schema.steps.find(({ from }) => from === version);
    if (step === undefined) {
      throw new StoreFailed(
        `${address} holds records of version ${String(version)}, which this infaas no longer ` +
          'reads; open it with an older infaas first',
        address,
      );
    }
    steps.push(step);
  }
  return steps;
}

/** A record through all steps; undefined when one of them removes it. */
export function migrated(
  record: PlainRecord,
  steps: readonly SchemaStep[],
): PlainRecord | undefined {
  let current: PlainRecord | undefined = record;
  for (const step of steps) {
    if (current === undefined) return undefined;
    current = step.migrate(current);
  }
  return current;
}
