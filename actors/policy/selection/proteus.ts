/**
 * Routing on Proteus' devices: what is loaded is its plan's affair, so the most accurate loaded
 * variant that answers in time, and nothing is loaded for a query. Its code spreads queries over
 * what may serve them evenly (`reference/policies.md` §7); by accuracy it delivers more of what it
 * planned.
 */

import type { Random } from '../../../runtime/random.ts';
import { type FitOrder, selectFirstFit } from './first-fit.ts';
import { accurateFirst, byAccuracy } from './most-accurate.ts';
import type { FleetView, QueryView, Selection } from './view.ts';

const order: FitOrder = {
  ...accurateFirst,
  worthLoading: () => false,
  slackShare: 0.6,
  loadsForWant: true,
};

export function selectAsProteus(view: FleetView, query: QueryView, random: Random): Selection {
  return selectFirstFit(byAccuracy(view), query, random, order);
}
