/** Which runs an experiment comes to, and where the result of each is kept. */

import { createHash } from 'node:crypto';

import { policies } from '../../actors/policy/policies.ts';
import { modelledNames } from '../../sim/profiles/modelled.ts';
import type { Case, Cell, Contender, Experiment, Settings } from './experiment.ts';

/**
 * Seeds, and with them drawn days of load, for evaluation alone: policies are tuned on 1 to 99.
 */
const evaluationSeed = 1_001;

export function seedsOf(count: number): number[] {
  return Array.from({ length: count }, (_, at) => evaluationSeed + at);
}

function takesPart({ cases }: Contender, { id }: Case): boolean {
  return cases === undefined || cases.includes(id);
}

/** The experiment as it stands. */
export function mainCells(experiment: Experiment, seeds: readonly number[]): Cell[] {
  return experiment.cases.flatMap((one) =>
    experiment.contenders
      .filter((contender) => takesPart(contender, one))
      .flatMap((contender) => seeds.map((seed) => cellOf(experiment, one, contender, seed, {}))),
  );
}

export const factors = [0.5, 2] as const;

export interface Change {
  readonly name: string;
  readonly modelled: Settings;
}

/** Each modelled constant halved, and doubled. */
export const changes: readonly Change[] = modelledNames.flatMap((name) =>
  factors.map((factor) => ({ name: `${name} × ${String(factor)}`, modelled: { [name]: factor } })),
);

/** Constants of hardware that an experiment has not cannot change it. */
function matters({ name }: Change, { hardware }: Experiment): boolean {
  if (name.startsWith('gpu')) return hardware.includes('cuda');
  if (name.startsWith('neuron')) return hardware.includes('inferentia');
  if (name.startsWith('accelerator')) return hardware.some((kind) => kind !== 'cpu');
  if (/^(?:cpu|int8|oneCore)/.test(name)) return hardware.includes('cpu');
  return true;
}

/** What its claims stand on, with each constant changed that matters to it. */
export function changedCells(experiment: Experiment, seeds: readonly number[]): Cell[] {
  const { claims, cases, contenders } = experiment;
  const wanted = new Set(
    claims.flatMap((claim) =>
      claim.cases.flatMap((one) => claim.contenders.map((each) => `${one} ${each}`)),
    ),
  );
  const tried = changes.filter((change) => matters(change, experiment));
  return tried.flatMap((change) =>
    cases.flatMap((one) =>
      contenders
        .filter((each) => takesPart(each, one) && wanted.has(`${one.id} ${each.id}`))
        .flatMap((each) => seeds.map((seed) => cellOf(experiment, one, each, seed, change))),
    ),
  );
}

function cellOf(
  { id }: Experiment,
  { id: caseId, scenario, set: ofCase }: Case,
  { id: contender, policy, set: ofContender }: Contender,
  seed: number,
  { name, modelled }: Partial<Change>,
): Cell {
  const set = {
    ...ofCase,
    ...ofContender?.(caseId),
    ...(modelled === undefined ? {} : { modelled }),
  };
  return { experiment: id, caseId, contender, scenario, policy, seed, set, changed: name };
}

/** Names the result: a scenario or a setting that changed is another run. */
export function keyOf(cell: Cell, scenarioText: string): string {
  const { experiment, caseId, contender, policy, seed, set } = cell;
  const what = JSON.stringify([policies[policy], set, scenarioText]);
  const digest = createHash('sha256').update(what).digest('hex').slice(0, 12);
  return `${experiment}/${caseId}/${contender}/${String(seed)}-${digest}.json`;
}

/** The run by hand. */
export function commandOf({ scenario, policy, seed, set }: Cell): string {
  const settings = Object.entries(set).map(([key, value]) => {
    return ` --set '${key}=${JSON.stringify(value)}'`;
  });
  const file = `examples/experiments/${scenario}.yaml`;
  return `infaas simulate ${file} --policy ${policy} --seed ${String(seed)}${settings.join('')}`;
}
