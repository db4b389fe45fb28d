/**
 * The registrar's view of what is registered: families by architecture, and what a newcomer is
 * compared with. All variants of a task take and give the same, and so do all of an architecture,
 * so one of each stands for the rest: ten thousand cost as much as ten.
 */

import type { Family } from '../domain/family.ts';
import type { ModelManifest } from '../domain/manifest.ts';
import { type QueryError, queryError } from '../domain/outcome.ts';
import { type Signature, taskSignatureOf } from '../domain/signature.ts';
import type { Variant, VariantId } from '../domain/variant.ts';
import { nameProblem } from './check-variant.ts';

export class Registry {
  private readonly families = new Map<string, Family>();
  private readonly architectureOf = new Map<VariantId, string>();
  /** Architectures by task. */
  private readonly tasks = new Map<string, Set<string>>();

  constructor(families: readonly Family[] = []) {
    for (const family of families) this.set(family);
  }

  family(architecture: string): Family | undefined {
    return this.families.get(architecture);
  }

  familyOf(variantId: VariantId): Family | undefined {
    return this.families.get(this.architectureOf.get(variantId) ?? '');
  }

  all(): IterableIterator<Family> {
    return this.families.values();
  }

  set(family: Family): void {
    this.remove(family.architecture);
    this.families.set(family.architecture, family);
    for (const { id, task } of family.variants) {
      this.architectureOf.set(id, family.architecture);
      const architectures = this.tasks.get(task) ?? new Set();
      this.tasks.set(task, architectures.add(family.architecture));
    }
  }

  remove(architecture: string): void {
    const family = this.families.get(architecture);
    if (family === undefined) return;
    this.families.delete(architecture);
    for (const { id, task } of family.variants) {
      this.architectureOf.delete(id);
      this.tasks.get(task)?.delete(architecture);
    }
  }

  /** Whether a variant of this architecture may be called so. */
  objectionToName(id: VariantId, architecture: string): QueryError | undefined {
    const problem = nameProblem('variant', id);
    if (problem !== undefined) return problem;
    const owner = this.architectureOf.get(id);
    if (owner === undefined || owner === architecture) return undefined;
    const message = `variant: "${id}" is a variant of architecture "${owner}"; give another name`;
    return queryError('bad_input', message, { field: 'variant' });
  }

  /** What a model of this manifest has to fit, as far as anybody has said: its task's signature. */
  signatureFor({ architecture, task }: ModelManifest): Signature | undefined {
    const own = this.families.get(architecture)?.variants[0];
    if (own !== undefined) return own.signature;
    const other = this.otherOf(task, architecture);
    return other === undefined ? undefined : taskSignatureOf(other.signature);
  }

  /** One of its architecture and one of its task, if there are any. */
  comparedWith({ id, architecture, task }: Variant): Variant[] {
    const own = this.families.get(architecture)?.variants.find((variant) => variant.id !== id);
    const replaced = this.families.get(architecture)?.variants[0];
    const other = this.otherOf(task, architecture);
    return [own ?? replaced, other].filter((variant) => variant !== undefined);
  }

  private otherOf(task: string, architecture: string): Variant | undefined {
    for (const name of this.tasks.get(task) ?? []) {
      const variant = this.families.get(name)?.variants[0];
      if (name !== architecture && variant?.task === task) return variant;
    }
    return undefined;
  }
}
