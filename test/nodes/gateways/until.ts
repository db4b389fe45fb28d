/** Waits for something that will be true, without saying how long it takes. */

const pollMs = 2;

/** Resolves when `condition` holds; mocha's time limit is the only one. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, pollMs));
}
