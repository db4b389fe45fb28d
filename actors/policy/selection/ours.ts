/**
 * Ours (`reference/policies.md` §9): the most accurate variant that is loaded and answers well in
 * time, then whatever answers soonest. What is loaded is the plan's affair, so accuracy is given as
 * far as it was planned for; a burst uses up the slack of accurate variants, and faster ones take
 * what is over (SlackFit, SuperServe). Nothing is loaded for a query while something can serve it.
 */

import type { Random } from '../../../runtime/random.ts';
import { accurateFirst, byAccuracy } from './most-accurate.ts';
import { type FitOrder, selectFirstFit } from './first-fit.ts';
import type { FleetView, QueryView, Selection } from './view.ts';

const order: FitOrder = {
  ...accurateFirst,
  worthLoading: () => false,
  // Predictions are off by what other dispatchers send and by cores that instances share.
  slackShare: 0.4,
  loadsForWant: true,
  yields: true,
};

export function selectAsOurs(view: FleetView, query: QueryView, random: Random): Selection {
  return selectFirstFit(byAccuracy(view), query, random, order);
}
