/**
 * What recording costs: throughput with decisions kept as by default, with none kept, and with a
 * subscriber to every selection, interleaved in the same minute; medians of the rounds.
 */

import { connect } from '../client/index.ts';
import { drive } from './drive.ts';
import { startInfaas } from './processes.ts';
import { digitDialect, smallModel } from './serving.ts';
import { median } from './statistics.ts';

export interface RecordsCost {
  /** Queries a second. */
  readonly without: number;
  readonly recorded: number;
  readonly streamed: number;
  /** Events that the subscriber was told, and those it was too slow for. */
  readonly told: number;
  readonly lost: number;
}

const nothingKept = { dispatcher: { explainedMax: 0 }, records: { eventsMax: 1 } };
const inFlight = 64;
const warmUpSeconds = 4;
const seconds = 2;

export async function measureRecords(rounds: number): Promise<RecordsCost> {
  const start = (config: object) =>
    startInfaas('up', ['--zoo', '--nats', 'embedded', '--port', '0'], {
      // One instance: how queries spread over more is chance.
      worker: { preload: { [smallModel.variant]: 1 } },
      ...config,
    });
  const systems = [await start(nothingKept), await start({})];
  const urls = systems.map(({ ready }) => String(ready['url']));
  const [bare = '', kept = ''] = urls;
  const dialect = digitDialect(smallModel);
  const rateOf = async (url: string, forSeconds = seconds): Promise<number> =>
    (await drive(`${url}/v1/ws`, dialect, inFlight, forSeconds)).perSecond;
  for (const url of urls) await rateOf(url, warmUpSeconds);
  const rates: Record<'without' | 'recorded' | 'streamed', number[]> = {
    ...{ without: [], recorded: [], streamed: [] },
  };
  let [told, lost] = [0, 0];
  const client = await connect(kept);
  for (let round = 0; round < rounds; round += 1) {
    rates.without.push(await rateOf(bare));
    rates.recorded.push(await rateOf(kept));
    const ending = new AbortController();
    const subscribed = client.subscribe(
      { kinds: ['selection'] },
      (news) => {
        told += news.events.length;
        lost += news.lost;
      },
      ending.signal,
    );
    rates.streamed.push(await rateOf(kept));
    ending.abort();
    await subscribed;
  }
  await client.close();
  for (const system of systems) await system.stop();
  const { without, recorded, streamed } = rates;
  return {
    ...{ without: median(without), recorded: median(recorded), streamed: median(streamed) },
    ...{ told, lost },
  };
}
