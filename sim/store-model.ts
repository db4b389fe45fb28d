/**
 * The controller's store as a model: writes become durable in order, a moment after they were
 * asked for; those under way when the controller's process dies are lost, the rest outlives it.
 */

import type { StoredControl } from '../actors/controller/behaviour.ts';
import type { StoreCommand } from '../actors/controller/protocol.ts';
import { familiesOf, type Family } from '../actors/domain/family.ts';
import type { Variant } from '../actors/domain/variant.ts';
import type { Ref } from '../runtime/actor.ts';
import { assertNever } from '../runtime/assert.ts';
import type { EpochRecord } from '../runtime/membership.ts';
import type { SimHost } from './sim-host.ts';

export class StoreModel {
  private readonly records = new Map<string, unknown>();
  private readonly writeMs: number;

  /** @param writeMs From a write to its being durable. */
  constructor(writeMs: number, variants: readonly Variant[] = []) {
    this.writeMs = writeMs;
    for (const family of familiesOf(variants)) {
      this.records.set(`family/${family.architecture}`, family);
    }
  }

  /** The store as one life of the controller's process has it. */
  port(host: SimHost): Ref<StoreCommand> {
    return host.port<StoreCommand>('store', (command) => {
      host.clock.schedule(this.writeMs, () => {
        this.apply(command);
        const { replyTo } = command;
        if (replyTo === undefined) return;
        const { requestId, ref } = replyTo;
        host.tell(ref, { type: 'registrar.family-stored', requestId });
      });
    });
  }

  read(): StoredControl {
    const epochs: Record<string, EpochRecord> = {};
    const families: Family[] = [];
    for (const [key, value] of this.records) {
      if (key.startsWith('epoch/')) epochs[key.slice('epoch/'.length)] = value as EpochRecord;
      else if (key.startsWith('family/')) families.push(value as Family);
    }
    return { epochs, families };
  }

  private apply(command: StoreCommand): void {
    switch (command.type) {
      case 'store.put':
        this.records.set(command.key, command.value);
        return;
      case 'store.remove':
        this.records.delete(command.key);
        return;
      default:
        assertNever(command);
    }
  }
}
