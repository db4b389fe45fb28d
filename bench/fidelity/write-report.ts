/** `docs/fidelity.md`: what the simulator says beside what was measured. */

import type { Agreement } from './figures.ts';
import { durationS, heavyMs, type Workload } from './workloads.ts';

export interface Compared {
  readonly workload: Workload;
  readonly rounds: number;
  /** Median load average of the machine over its rounds. */
  readonly load: number;
  readonly agreements: readonly Agreement[];
}

const labels = {
  p50Ms: ['p50, ms', 2, 1],
  p99Ms: ['p99, ms', 1, 1],
  goodputQps: ['in time/s', 2, 1],
  violations: ['violations, %', 2, 100],
  batchMean: ['mean batch', 2, 1],
} as const;

export function reportOf(
  compared: readonly Compared[],
  facts: {
    readonly machine: string;
    readonly cores: number;
    /** Of the heaviest model, one query. */
    readonly aloneMs: number;
    readonly commit: string;
    readonly date: string;
  },
): string {
  const all = compared.flatMap(({ agreements }) => agreements);
  const within = all.filter((each) => each.within).length;
  return [
    '# Fidelity',
    '',
    'Written by `npm run fidelity`; not edited by hand. The same arrivals were sent to the',
    'real system',
    '(a controller with its gateway, a worker of one core with its engine host, and a',
    'nats-server, each',
    'a process; the zoo’s models, profiled by the real profiler just before) and to the simulator,',
    `${String(durationS)} s a repeat. Compared are latencies from a query’s arrival at the`,
    `gateway to`,
    'its answer there.',
    '',
    'Before each round eight seconds of an even load, on which no query waits for another, tell',
    'the simulator two things: the time a query takes beside its batch, and by what factors',
    'batches differ from the profile, as quantiles. No workload below is used for that. A mean',
    'agrees when it differs by at most 10 %',
    '(violations: 5 points) or by half of the spread of the real repeats, whichever is more.',
    '',
    `**${String(within)} of ${String(all.length)} figures agree.** ${facts.machine},`,
    `${String(facts.cores)} cores; commit ${facts.commit}; ${facts.date}.`,
    loadText(compared, facts.cores),
    '',
    `Rates and latencies are written for a core that runs resnet-tta in ${String(heavyMs)} ms.`,
    `This one takes ${facts.aloneMs.toFixed(1)} ms: rates were divided, latencies multiplied by`,
    `${(facts.aloneMs / heavyMs).toFixed(2)}.`,
    '',
    '| workload | figure | real | least – most | simulated | difference | agrees |',
    '|---|---|---:|---:|---:|---:|---|',
    ...compared.flatMap(({ workload, agreements }) =>
      agreements.map((agreement) => rowOf(workload, agreement)),
    ),
    '',
    ...compared.map(({ workload: { id, about }, rounds }) => {
      return `- **${id}**: ${about}; ${String(rounds)} repeats.`;
    }),
    '',
  ].join('\n');
}

/** What others ran meanwhile: the simulator has a core of its own for its worker. */
function loadText(compared: readonly Compared[], cores: number): string {
  const most = Math.max(...compared.map(({ load }) => load));
  const text = `The load average of the machine was up to ${most.toFixed(1)} meanwhile`;
  return most <= cores + 1
    ? `${text}.`
    : `${text}: others had most of the core that the worker was to have, so this says nothing of ` +
        'the simulator. Repeat it on a machine that is quiet.';
}

function rowOf({ id }: Workload, agreement: Agreement): string {
  const { figure, real, realLeast, realMost, simulated, within } = agreement;
  const [label, digits, times] = labels[figure];
  const text = (value: number): string => (times * value).toFixed(digits);
  const difference =
    figure === 'violations'
      ? `${(100 * (simulated - real)).toFixed(1)} points`
      : `${(100 * (simulated / real - 1)).toFixed(1)} %`;
  const spread = `${text(realLeast)} – ${text(realMost)}`;
  const cells = [id, label, text(real), spread, text(simulated), difference];
  return `| ${cells.join(' | ')} | ${within ? 'yes' : '**no**'} |`;
}
