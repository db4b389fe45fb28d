/**
 * The children of one actor, by name. A name is taken from the moment a turn spawns it, and free
 * again when the child has ended or the turn threw.
 */

import type { Address } from './actor.ts';
import { assert } from './assert.ts';

interface Child {
  readonly name: string;
}

export class Children<C extends Child> {
  readonly #byName = new Map<string, C>();

  has(name: string): boolean {
    return this.#byName.has(name);
  }

  get(name: string): C | undefined {
    return this.#byName.get(name);
  }

  add(child: C): void {
    this.#byName.set(child.name, child);
  }

  remove(child: C): void {
    this.#byName.delete(child.name);
  }

  /** The order in which they stop: a younger one may rely on an older one. */
  youngestFirst(): readonly C[] {
    return [...this.#byName.values()].reverse();
  }
}

/** The name of the child at `address` below `parentPath`; asserts that it would be a child. */
export function childNameOf(parentPath: string, address: Address): string {
  const name = address.path.slice(parentPath.length + 1);
  const below = address.path === `${parentPath}/${name}` && name !== '' && !name.includes('/');
  assert(below, `${address.path} is not a child of ${parentPath}`);
  return name;
}
