/** Ours against raw nact, interleaved: the ratio of the medians of several rounds. */

import { type ActorRate, benchActorChain, benchActorWide } from './actors.ts';
import { rawNactChain, rawNactWide } from './raw-nact.ts';
import { median } from './statistics.ts';

export interface RateRatio {
  readonly ratio: number;
  readonly oursPerSecond: number;
  readonly nactPerSecond: number;
  readonly [name: string]: number;
}

export function compareChain(inFlight: number, rounds: number): Promise<RateRatio> {
  const options = { messages: inFlight === 1 ? 20_000 : 100_000, inFlight };
  return compare(
    rounds,
    () => benchActorChain(options),
    () => rawNactChain(options),
  );
}

export function compareWide(children: number, rounds: number): Promise<RateRatio> {
  return compare(
    rounds,
    () => benchActorWide({ messages: 500_000, children }),
    () => rawNactWide({ messages: 50_000, children }),
  );
}

async function compare(
  rounds: number,
  ours: () => Promise<ActorRate>,
  nact: () => Promise<Pick<ActorRate, 'perSecond'>>,
): Promise<RateRatio> {
  const own: number[] = [];
  const other: number[] = [];
  // The first round warms both up.
  for (let round = 0; round <= rounds; round += 1) {
    const ourRate = await ours();
    const nactRate = await nact();
    if (round === 0) continue;
    own.push(ourRate.perSecond);
    other.push(nactRate.perSecond);
  }
  const oursPerSecond = median(own);
  const nactPerSecond = median(other);
  return { ratio: oursPerSecond / nactPerSecond, oursPerSecond, nactPerSecond };
}
