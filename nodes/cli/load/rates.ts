/** Rates of an open-loop load: one rate for a duration, or a trace file with one rate a line. */

import { readFileSync } from 'node:fs';

import { messageOf } from '../../../runtime/errors.ts';
import { CommandFailed } from '../errors.ts';
import type { RateSegment } from './arrivals.ts';

const linesMax = 10_000_000;

export interface TraceOptions {
  readonly stepMs: number;
  readonly scale: number;
  readonly durationMs: number;
}

/** Fails with CommandFailed. */
export function readTrace(file: string, options: TraceOptions): RateSegment[] {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new CommandFailed(
      `cannot read the trace ${file}: ${messageOf(error)}`,
      'bad_file',
      error,
    );
  }
  return parseTrace(text, file, options);
}

/**
 * A trace: queries per second, one number a line, each for `stepMs`; empty lines and `#` comments
 * are skipped. `scale` multiplies every rate. Cut after `durationMs`.
 */
export function parseTrace(text: string, file: string, options: TraceOptions): RateSegment[] {
  const segments: RateSegment[] = [];
  const lines = text.split('\n');
  if (lines.length > linesMax) {
    throw new CommandFailed(`${file}: more than ${String(linesMax)} lines`, 'bad_file');
  }
  let leftMs = options.durationMs;
  for (const [index, line] of lines.entries()) {
    const written = line.replace(/#.*/, '').trim();
    if (written === '') continue;
    if (leftMs <= 0) break;
    const rate = Number(written);
    if (!Number.isFinite(rate) || rate < 0) {
      const what = `"${written.slice(0, 40)}" is not a rate; one number a line, queries per second`;
      throw new CommandFailed(`${file}, line ${String(index + 1)}: ${what}`, 'bad_file');
    }
    const forMs = Math.min(options.stepMs, leftMs);
    segments.push({ rateQps: rate * options.scale, forMs });
    leftMs -= forMs;
  }
  if (segments.length === 0) throw new CommandFailed(`${file}: there is no rate in it`, 'bad_file');
  return segments;
}

export function totalMs(segments: readonly RateSegment[]): number {
  return segments.reduce((sum, { forMs }) => sum + forMs, 0);
}
