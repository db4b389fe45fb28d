/** The default: the cheapest variant that meets accuracy, latency and cost. */

import type { Random } from '../../../runtime/random.ts';
import { cheapestFirst, selectFirstFit } from './first-fit.ts';
import type { FleetView, QueryView, Selection } from './view.ts';

export function selectCheapest(view: FleetView, query: QueryView, random: Random): Selection {
  return selectFirstFit(view, query, random, cheapestFirst);
}
