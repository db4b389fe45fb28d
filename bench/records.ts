/**
 * What recording costs: throughput with decisions kept as by default, with none kept, with a
 * subscriber to every selection, and with every turn written to a file, interleaved in the same
 * minute; medians of the rounds.
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

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
  readonly written: number;
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
  const folder = mkdtempSync(join(tmpdir(), 'infaas-recording-'));
  const systems = [
    await start(nothingKept),
    await start({}),
    await start({ ...nothingKept, recording: { folder } }),
  ];
  const urls = systems.map(({ ready }) => String(ready['url']));
  const [bare = '', kept = '', written = ''] = urls;
  const dialect = digitDialect(smallModel);
  const rateOf = async (url: string, forSeconds = seconds): Promise<number> =>
    (await drive(`${url}/v1/ws`, dialect, inFlight, forSeconds)).perSecond;
  for (const url of urls) await rateOf(url, warmUpSeconds);
  const rates: Record<'without' | 'recorded' | 'streamed' | 'written', number[]> = {
    ...{ without: [], recorded: [], streamed: [], written: [] },
  };
  let [told, lost] = [0, 0];
  const client = await connect(kept);
  for (let round = 0; round < rounds; round += 1) {
    rates.without.push(await rateOf(bare));
    rates.recorded.push(await rateOf(kept));
    rates.written.push(await rateOf(written));
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
  rmSync(folder, { recursive: true });
  return {
    ...{ without: median(rates.without), recorded: median(rates.recorded) },
    ...{ streamed: median(rates.streamed), written: median(rates.written) },
    ...{ told, lost },
  };
}
