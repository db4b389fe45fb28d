/** What a load run found, for people. `--json` prints the report as it is. */

import type { Slo } from '../../../actors/domain/query.ts';
import { sloText } from '../answer-text.ts';
import { formatMs, formatPercent, formatQps } from '../format.ts';
import { formatTable } from '../table.ts';
import type { Terminal } from '../terminal.ts';
import type { LoadTotals } from './recorder.ts';

export interface LoadReport extends LoadTotals {
  readonly mode: 'open' | 'closed';
  readonly arrivals?: string;
  readonly concurrency?: number;
  /** From the first send to the last; waiting for the last answers is not counted. */
  readonly durationS: number;
  readonly interrupted: boolean;
  readonly slo: Slo;
  readonly offeredQps: number;
  /** Answered. */
  readonly qps: number;
}

export function describeLoad(report: LoadReport, style: Pick<Terminal, 'colours'>): string {
  const { latencyMs, sendLagMs } = report;
  const asked = sloText(report.slo);
  const rows: (readonly [string, string])[] = [
    ['queries', countsText(report)],
    ...Object.entries(report.errors).map(([code, n]) => [`  ${code}`, String(n)] as const),
    ['rate', `${formatQps(report.qps)} answered of ${formatQps(report.offeredQps)} asked a second`],
    ['SLO attainment', `${formatPercent(100 * report.sloAttainment)} % (${asked || 'none asked'})`],
    ['send lag', `p50 ${formatMs(sendLagMs.p50)} ms, p99 ${formatMs(sendLagMs.p99)} ms`],
  ];
  const width = Math.max(...rows.map(([title]) => title.length));
  const percentiles = formatTable(
    ['P50 MS', 'P90 MS', 'P95 MS', 'P99 MS', 'MAX MS', 'MEAN MS'].map((title) => ({
      title,
      align: 'right' as const,
    })),
    [
      [
        latencyMs.p50,
        latencyMs.p90,
        latencyMs.p95,
        latencyMs.p99,
        latencyMs.max,
        latencyMs.mean,
      ].map(formatMs),
    ],
    style,
  );
  return [
    ...rows.map(([title, text]) => `${title.padEnd(width)}  ${text}`),
    '',
    percentiles,
    '',
    variantsTable(report, style),
    ...(report.interrupted ? ['', 'interrupted before its time was over'] : []),
  ].join('\n');
}

function countsText({ queries, ok, mode, arrivals, concurrency, durationS }: LoadReport): string {
  const how =
    mode === 'open'
      ? `open loop, ${arrivals ?? ''} arrivals`
      : `closed loop, ${String(concurrency ?? 0)} in flight`;
  return `${String(queries)} in ${durationS.toFixed(1)} s (${how}), ${String(ok)} answered`;
}

function variantsTable({ variants, ok }: LoadReport, style: Pick<Terminal, 'colours'>): string {
  const rows = Object.entries(variants).map(([name, n]) => [
    name,
    String(n),
    `${formatPercent((100 * n) / ok)} %`,
  ]);
  if (rows.length === 0) return 'no variant answered';
  return formatTable(
    [
      { title: 'VARIANT' },
      { title: 'ANSWERS', align: 'right' },
      { title: 'SHARE', align: 'right' },
    ],
    rows,
    style,
  );
}
