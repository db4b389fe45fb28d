/** An answer for people: who answered, what, how fast, and whether that is what was asked. */

import type { QueryServed, Slo } from '../../actors/domain/query.ts';
import { printTensors } from '../gateways/print-answer.ts';
import { formatMs, formatPercent, formatUsd } from './format.ts';
import { describeOutputs } from './outputs-text.ts';
import type { SystemAnswer } from './system.ts';

export function describeAnswer(answer: QueryServed, slo: Slo): string {
  const { servedBy } = answer;
  const model = `${servedBy.architecture}, ${servedBy.task}/${servedBy.dataset}`;
  const rows: (readonly [string, string])[] = [
    ['variant', `${servedBy.variant} (${model}), ${formatPercent(servedBy.accuracy)} % accurate`],
    ...describeOutputs(answer.outputs).map((line, at) => [at === 0 ? 'output' : '', line] as const),
    ['latency', describeTiming(answer)],
    ['SLO', describeSlo(answer, slo)],
    ['ran on', `${servedBy.worker} (${servedBy.hardware}), instance ${servedBy.instance}`],
    ['cost', `${formatUsd(answer.costUsd * 1000)} USD for 1,000 such queries`],
    ['why', answer.decision.reason],
    ['query', answer.queryId],
  ];
  const width = Math.max(...rows.map(([title]) => title.length));
  return rows.map(([title, text]) => `${title.padEnd(width)}  ${text}`).join('\n');
}

function describeTiming({ timing, servedBy }: QueryServed): string {
  const parts = [
    `decide ${formatMs(timing.decideMs)}`,
    `network ${formatMs(timing.networkMs)}`,
    `queue ${formatMs(timing.queueMs)}`,
    `infer ${formatMs(timing.inferMs)}`,
  ].join(', ');
  return `${formatMs(timing.totalMs)} ms: ${parts} (in a batch of ${String(servedBy.batchSize)})`;
}

function describeSlo(answer: QueryServed, slo: Slo): string {
  const asked = sloText(slo);
  if (asked === '') return 'none asked';
  const { met, missed } = answer.slo;
  return met ? `met: ${asked}` : `missed (${missed.join(', ')}): ${asked}`;
}

/** `≥ 98 %, ≤ 20 ms`; empty where nothing is asked. */
export function sloText(slo: Slo): string {
  return [
    ...(slo.accuracyMin === undefined ? [] : [`≥ ${formatPercent(slo.accuracyMin)} %`]),
    ...(slo.latencyMs === undefined ? [] : [`≤ ${String(slo.latencyMs)} ms`]),
    ...(slo.costUsdMax === undefined
      ? []
      : [`≤ ${formatUsd(slo.costUsdMax * 1000)} USD for 1,000`]),
  ].join(', ');
}

/** The answer as INTERFACE.md has it in JSON, tensors with their elements. */
export function answerJson(answer: SystemAnswer): object {
  return answer.ok ? { ...answer, outputs: printTensors(answer.outputs) } : answer;
}
