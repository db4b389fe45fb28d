/**
 * A load like that of Twitter, in the shape of its public 1 % stream of August 2021 (three days of
 * requests per second): a base that swings over the day, and bursts to about four times it which
 * begin a minute or two after the hour or the half hour and last some ten minutes. Fitted
 * to them (measured / generated, as multiples of the mean of 65.1/s):
 *
 *     median             0.83 / 0.83       95th percentile    2.50 / 2.71
 *     99th percentile    3.78 / 3.86       99.9th percentile  4.32 / 4.36
 *     standard deviation 0.62 / 0.64       maximum            5.19 / 5.18
 *
 * `test/sim/workloads/workloads.test.ts` holds the generator to these.
 */

import type { Random } from '../../runtime/random.ts';

/** Medians between the bursts, requests per second, by hour of the day. */
const baseByHour = [
  46, 47, 49, 53, 57, 63, 71, 79, 74, 70, 64, 53, 48, 48, 47, 46, 44, 43, 46, 49, 55, 57, 49, 46,
];

/** Bursts by the minute at which they begin, with the chance of one in an hour. */
const slots = [
  { minute: 1.5, chance: 0.1 },
  { minute: 31.5, chance: 0.36 },
];

const meanQps = 64.5;
/** What a burst adds at its height, requests per second. */
const burstMinQps = 150;
const burstMaxQps = 205;
const burstMinMinutes = 6;
const burstMaxMinutes = 13;
/** The share of a burst that it keeps its height; then it falls in a straight line. */
const plateauShare = 0.5;

interface Burst {
  readonly startS: number;
  readonly forS: number;
  readonly qps: number;
}

/**
 * The rate by the second of the day (which may go beyond a day), as a multiple of the mean. To be
 * asked for times that do not fall: bursts are drawn hour by hour.
 */
export function twitterLikeRate(random: Random): (second: number) => number {
  let drawnHour = -1;
  let bursts: Burst[] = [];
  return (second) => {
    const hour = Math.floor(second / 3_600);
    if (drawnHour < 0) drawnHour = hour - 1;
    while (drawnHour < hour) {
      drawnHour += 1;
      bursts = bursts.filter(({ startS, forS }) => startS + forS > drawnHour * 3_600);
      bursts.push(...drawBursts(drawnHour, random));
    }
    let qps = baseAt(second);
    for (const burst of bursts) qps += heightAt(burst, second);
    return qps / meanQps;
  };
}

/** Straight from the middle of one hour to the middle of the next. */
function baseAt(second: number): number {
  const at = second / 3_600 - 0.5;
  const before = Math.floor(at);
  const share = at - before;
  return (1 - share) * baseOf(before) + share * baseOf(before + 1);
}

function baseOf(hour: number): number {
  return baseByHour[((hour % 24) + 24) % 24] ?? meanQps;
}

function drawBursts(hour: number, random: Random): Burst[] {
  const drawn: Burst[] = [];
  for (const { minute, chance } of slots) {
    // Everything is drawn whether it comes or not, so that streams stay in step.
    const comes = random() < chance;
    const minutes = burstMinMinutes + random() * (burstMaxMinutes - burstMinMinutes);
    const qps = burstMinQps + random() * (burstMaxQps - burstMinQps);
    if (comes) drawn.push({ startS: hour * 3_600 + 60 * minute, forS: 60 * minutes, qps });
  }
  return drawn;
}

function heightAt({ startS, forS, qps }: Burst, second: number): number {
  const share = (second - startS) / forS;
  if (share < 0 || share >= 1) return 0;
  return share < plateauShare ? qps : (qps * (1 - share)) / (1 - plateauShare);
}
