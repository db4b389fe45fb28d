/**
 * The joint plan as a mixed-integer program, aggregated by kind of hardware
 * (`reference/policies.md` §9), in the text format of CPLEX that solvers read; and a plan of what a
 * solver says. Pure: whoever runs a solver is an adapter.
 *
 *     max  Σ worth·z − Σ loss·r − Σ price·m
 *     z over a class's options + r = its rate         (what is not served is lost)
 *     Σ z / unitQps <= usable units of the kind       (work fits)
 *     Σ z / unitQps / busiest · memory <= memory of the kind   (what is busy has its memory)
 *     min <= m <= max, whole
 *
 * Square-root staffing is not linear in the machines: it is taken at the count of the plan that the
 * solver is to better, and whoever takes the result checks it (`faultOf`).
 */

import type { HardwareKind } from '../../domain/hardware.ts';
import {
  busyMax,
  type Plan,
  type PlanMachines,
  type PlanProblem,
  type PlanRules,
  type PlanShare,
  usableUnits,
  valueOf,
  worthUsd,
} from './problem.ts';

/** Solvers read no more digits than these; smaller coefficients are noise. */
const digits = 9;
/** Objectives in millionths of a dollar an hour: solvers' tolerances are absolute. */
const scale = 1e6;

export function milpOf(problem: PlanProblem, near: Plan): string {
  const { classes, machines, rules } = problem;
  const worth: string[] = [];
  const demand: string[] = [];
  const work = new Map<HardwareKind, string[]>();
  const memory = new Map<HardwareKind, string[]>();
  for (const [k, { options, rateQps }] of classes.entries()) {
    const served = [`r${String(k)}`];
    worth.push(term(-rules.lossUsd * scale, `r${String(k)}`));
    for (const [o, option] of options.entries()) {
      const z = nameOf(k, o);
      served.push(z);
      worth.push(term(worthUsd(option, rules) * scale, z));
      push(work, option.kind, term(1 / option.unitQps, z));
      push(memory, option.kind, term(option.memoryBytes / 2 ** 30 / busyMax / option.unitQps, z));
    }
    demand.push(` d${String(k)}: ${served.join(' + ')} = ${number(rateQps)}`);
  }
  const bounds: string[] = [];
  for (const each of machines) {
    const { kind, min, max, usdPerHour } = each;
    const m = `m_${kind}`;
    worth.push(term(-usdPerHour * scale, m));
    const units = term(-unitsEach(each, near.machines[kind] ?? 0, rules), m);
    if (work.has(kind)) demand.push(` w_${kind}: ${join(work.get(kind))} ${units} <= 0`);
    const bytes = term(-rules.memoryShare * (each.memoryBytes / 2 ** 30), m);
    if (memory.has(kind)) demand.push(` b_${kind}: ${join(memory.get(kind))} ${bytes} <= 0`);
    bounds.push(` ${String(min)} <= ${m} <= ${String(max)}`);
  }
  const whole = machines.map(({ kind }) => ` m_${kind}`);
  return [
    ...['Maximize', ` value: ${join(worth)}`, 'Subject To', ...demand],
    ...['Bounds', ...bounds, 'General', ...whole, 'End', ''],
  ].join('\n');
}

/** The plan of a solver's values by column name. */
export function planOf(problem: PlanProblem, valueAt: (column: string) => number): Plan {
  const shares: PlanShare[] = problem.classes.flatMap(({ options }, classAt) =>
    options.flatMap((_, optionAt) => {
      const rateQps = valueAt(nameOf(classAt, optionAt));
      return rateQps > 1e-6 ? { classAt, optionAt, rateQps } : [];
    }),
  );
  const machines = Object.fromEntries(
    problem.machines.map(({ kind }) => [kind, Math.round(valueAt(`m_${kind}`))]),
  );
  return { shares, machines, ...valueOf(problem, shares, machines), by: 'milp' };
}

function unitsEach({ units }: PlanMachines, near: number, { staffing }: PlanRules): number {
  const count = Math.max(1, near);
  return usableUnits(units * count, staffing) / count;
}

function nameOf(classAt: number, optionAt: number): string {
  return `z${String(classAt)}_${String(optionAt)}`;
}

function push(to: Map<HardwareKind, string[]>, kind: HardwareKind, text: string): void {
  const known = to.get(kind);
  if (known === undefined) to.set(kind, [text]);
  else known.push(text);
}

function term(coefficient: number, column: string): string {
  return `${coefficient < 0 ? '-' : '+'} ${number(Math.abs(coefficient))} ${column}`;
}

function number(value: number): string {
  return String(Number(value.toPrecision(digits)));
}

/** Lines of bounded length: readers of the format have a limit. */
function join(terms: readonly string[] = []): string {
  const lines: string[] = [];
  for (let at = 0; at < terms.length; at += 10) lines.push(terms.slice(at, at + 10).join(' '));
  return lines.join('\n  ');
}
