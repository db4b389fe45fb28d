/**
 * The zoo's report as Markdown: what each architecture's family came to, what was refused and why,
 * and whether what is promised of generated variants holds. Pure.
 */

import { describeVariant } from '../../actors/domain/describe-variant.ts';
import type { Family } from '../../actors/domain/family.ts';
import { predictBatchMs } from '../../actors/domain/profile.ts';
import type { Variant } from '../../actors/domain/variant.ts';
import { formatBytes, formatMs, formatPercent, formatUsd } from '../../nodes/cli/format.ts';
import type { Speedup } from './against-defaults.ts';

export interface ZooFindings {
  readonly families: readonly Family[];
  /** By variant; absent for sources and for those whose accuracy is another. */
  readonly speedups: Readonly<Record<string, readonly Speedup[]>>;
  readonly machine: string;
  readonly charts: readonly { readonly title: string; readonly file: string }[];
}

export interface Promised {
  readonly what: string;
  readonly holds: boolean;
  readonly found: string;
}

/** Accuracies this near count as equal, in points. */
export const equalAccuracy = 0.5;
const variantsWanted = 30;
const architecturesWanted = 6;
const smallerWanted = 3;
const lossMax = 1;
const fasterWanted = 1.3;

/** The first variant of a family is the file as it was given. */
export function sourceOf({ variants, architecture }: Family): Variant {
  const [source] = variants;
  if (source === undefined) throw new Error(`${architecture} has no variant`);
  return source;
}

function slower({ underDefaults, onOneThread }: Speedup): number {
  return Math.min(underDefaults, onOneThread);
}

export function promisesOf({ families, speedups }: ZooFindings): readonly Promised[] {
  const count = families.reduce((sum, { variants }) => sum + variants.length, 0);
  const small = families.flatMap((family) => {
    const source = sourceOf(family);
    return family.variants
      .filter(({ precision }) => precision.startsWith('int8'))
      .map((variant) => ({
        id: variant.id,
        smaller: source.file.bytes / variant.file.bytes,
        loss: source.accuracy - variant.accuracy,
      }))
      .filter(({ smaller, loss }) => smaller >= smallerWanted && loss <= lossMax);
  });
  const compared = Object.entries(speedups)
    .flatMap(([id, all]) => all.map((one) => ({ id, ...one })))
    .sort((a, b) => slower(b) - slower(a));
  const fast = compared.filter(
    ({ underDefaults, onOneThread }) => Math.min(underDefaults, onOneThread) >= fasterWanted,
  );
  return [
    {
      what:
        `at least ${variantsWanted} variants over ` +
        `at least ${architecturesWanted} architectures`,
      holds: count >= variantsWanted && families.length >= architecturesWanted,
      found: `${count} variants over ${families.length} architectures`,
    },
    {
      what: `int8 at least ${smallerWanted}× smaller, at most ${lossMax} point lost`,
      holds: small.length > 0,
      found: small
        .map(
          ({ id, smaller, loss }) =>
            `${id} ${smaller.toFixed(2)}× smaller, ${formatPercent(loss)} points lost`,
        )
        .join('; '),
    },
    {
      what:
        `at least ${fasterWanted}× faster at equal accuracy (±${equalAccuracy}) than the file as ` +
        'given, under the same settings: the defaults of ONNX Runtime, and one thread',
      holds: fast.length > 0,
      // Where none will do, the nearest is told.
      found: (fast.length > 0 ? fast : compared.slice(0, 1))
        .map(
          ({ id, batch, underDefaults, onOneThread }) =>
            `${id} at batch ${batch}: ${underDefaults.toFixed(2)}× and ${onOneThread.toFixed(2)}×`,
        )
        .join('; '),
    },
  ];
}

export function zooMarkdown(findings: ZooFindings): string {
  const { families, machine, charts } = findings;
  const refused = families.reduce((sum, family) => sum + family.refused.length, 0);
  return [
    '# The zoo, registered',
    '',
    'Made by `npm run zoo:report`; do not edit. Each bundled architecture was registered from its',
    'fp32 file as `infaas register` does it, with validation: 2,000 held-out digits, or 840 frames',
    'of speech as silero-v5 judges them (so silero accuracies are agreement with that model).',
    'Latencies are medians of a whole batch on one core and one thread. `faster`: time of the file',
    'as given over that of the variant, turn by turn, both under the defaults of ONNX Runtime (a',
    'thread a core, spinning) / both on one thread; for variants of equal accuracy.',
    '',
    `Machine: ${machine}.`,
    '',
    '| promised | found | holds |',
    '|---|---|---|',
    ...promisesOf(findings).map(
      ({ what, found, holds }) => `| ${what} | ${found || 'none'} | ${holds ? 'yes' : '**no**'} |`,
    ),
    '',
    ...charts.flatMap(({ title, file }) => [`![Accuracy against latency: ${title}](${file})`, '']),
    ...families.flatMap((family) => familySection(family, findings)),
    `In all ${refused} candidates were refused. A variant is dominated when another of its family`,
    'is no slower at any batch, no larger in file and memory, no slower to load, and no less',
    'accurate; times and memory within 5 % count as equal. Copies are told by their graphs.',
    '',
  ].join('\n');
}

function familySection(family: Family, { speedups }: ZooFindings): string[] {
  const source = sourceOf(family);
  return [
    `## ${family.architecture} (${source.task})`,
    '',
    ...(family.complete ? [] : ['Its registration has not ended: more may come.', '']),
    '| variant | accuracy % | size | load ms | ms at 1 | at 8 | at 64 | memory | USD/1000 ' +
      '| faster |',
    '|---|--:|--:|--:|--:|--:|--:|--:|--:|---|',
    ...family.variants.map((variant) => row(variant, source, speedups[variant.id])),
    '',
    ...(family.refused.length === 0 ? [] : ['Refused:', '']),
    ...family.refused.map(({ name, reason }) => `- \`${name}\`: ${reason}`),
    ...(family.refused.length === 0 ? [] : ['']),
  ];
}

function row(variant: Variant, source: Variant, speedups: readonly Speedup[] = []): string {
  const { costUsdPer1000 } = describeVariant(variant, 'inactive', 0);
  const { profile, file, accuracy, machine } = variant;
  const times = [1, 8, 64].map((batch) =>
    batch <= variant.batchMax ? formatMs(predictBatchMs(profile, batch)) : '–',
  );
  const smaller = source.file.bytes / file.bytes;
  const cells = [
    `\`${variant.id}\`${machine === undefined ? '' : ' (this machine type)'}`,
    formatPercent(accuracy),
    `${formatBytes(file.bytes)}${variant === source ? '' : ` (${smaller.toFixed(1)}×)`}`,
    formatMs(profile.loadMs),
    ...times,
    formatBytes(profile.memoryBytes),
    formatUsd(costUsdPer1000),
    speedups
      .map(
        ({ batch, underDefaults, onOneThread }) =>
          `${underDefaults.toFixed(2)}×/${onOneThread.toFixed(2)}× at ${batch}`,
      )
      .join(', '),
  ];
  return `| ${cells.join(' | ')} |`;
}
