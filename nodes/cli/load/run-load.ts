/** A load run: inputs, connections, the generator, the live line, and the report at the end. */

import { splitRandom } from '../../../runtime/random.ts';
import type { NamedTensors } from '../../../runtime/wire/tensors.ts';
import { createSystemClock } from '../../adapters/system-clock.ts';
import { type Cli, printJson } from '../cli.ts';
import { type ChosenSystem, type QuerySelector, sloOf } from '../client-options.ts';
import { CommandFailed, QueryWasRefused } from '../errors.ts';
import { formatMs } from '../format.ts';
import { connectToSystem } from '../connection.ts';
import { type Progress, startProgress } from '../progress.ts';
import { readInputs } from '../read-input.ts';
import { aborted, listenForStop } from '../signals.ts';
import { queryForRefusal, signatureOf, type System } from '../system.ts';
import { arrivalTimes } from './arrivals.ts';
import { InFlight, runClosedLoop, runOpenLoop, type SendQuery } from './generators.ts';
import { randomInputs, rowsOf } from './load-inputs.ts';
import type { LoadOptions, LoadPlan } from './plan.ts';
import { LoadRecorder } from './recorder.ts';
import { totalMs } from './rates.ts';
import { describeLoad, type LoadReport } from './report.ts';

export interface LoadRun {
  readonly chosen: ChosenSystem;
  readonly selector: QuerySelector;
  readonly options: LoadOptions;
  readonly plan: LoadPlan;
}

const liveMs = 1_000;
/** After the system's own time-out a query must have been answered; this is for the way. */
const drainGraceMs = 2_000;
const defaultTimeoutMs = 30_000;

/** Sets exit code 1 when not a single query was answered. */
export async function runLoad(cli: Cli, run: LoadRun): Promise<void> {
  const { terminal } = cli;
  const systems: System[] = [];
  try {
    for (let left = run.options.connections; left > 0; left -= 1) {
      systems.push(await connectToSystem(run.chosen));
    }
    const [first] = systems;
    if (first === undefined) return;
    const inputs = await makeInputs(cli, first, run);
    const report = await measure(cli, systems, inputs, run);
    if (run.options.json === true) printJson(terminal, report);
    else terminal.out(describeLoad(report, terminal));
    if (report.ok > 0) return;
    cli.exitCode = 1;
    const hint =
      run.options.input === undefined
        ? '; the inputs were random, give real ones with --input'
        : '';
    terminal.err(`not one query was answered${hint}`);
  } finally {
    await Promise.all(systems.map((system) => system.close()));
  }
}

async function makeInputs(cli: Cli, system: System, run: LoadRun): Promise<NamedTensors[]> {
  const { selector, options } = run;
  const signature = await signatureOf(system, selector);
  if (signature === undefined) {
    const answer = await system.query(queryForRefusal(selector));
    if (!answer.ok) throw new QueryWasRefused(answer.error);
    throw new CommandFailed('what is registered changes at this moment; try again');
  }
  if (options.input === undefined) {
    return randomInputs(signature.inputs, splitRandom(options.seed, 'inputs'));
  }
  const { inputs, notes } = readInputs(options.input, signature.inputs);
  for (const note of notes) cli.terminal.err(note);
  return rowsOf(inputs, signature.inputs);
}

async function measure(
  cli: Cli,
  systems: readonly System[],
  inputs: readonly NamedTensors[],
  run: LoadRun,
): Promise<LoadReport> {
  const { options, plan } = run;
  const clock = createSystemClock();
  const random = splitRandom(options.seed, 'samples');
  const recorder = new LoadRecorder(options.latency ?? Infinity, random);
  const inFlight = new InFlight();
  const signals = listenForStop(() => {
    cli.terminal.err('stopping: no more is sent; once more to leave at once');
  });
  const progress = startProgress(cli.terminal, 'load: starting');
  const startMs = clock.nowMs();
  const plannedMs = plan.mode === 'open' ? totalMs(plan.segments) : plan.durationMs;
  const live = setInterval(() => {
    progress.update(liveLine(clock.nowMs() - startMs, plannedMs, recorder, inFlight));
  }, liveMs);
  try {
    const generator = {
      ...{ clock, inFlightMax: options.inFlight, stop: signals.stop },
      send: sender(systems, inputs, run),
      record: (result: Parameters<LoadRecorder['record']>[0]) => {
        recorder.record(result);
      },
    };
    if (plan.mode === 'closed') {
      await runClosedLoop(generator, inFlight, plan.concurrency, plan.durationMs);
    } else {
      const arrivalsRandom = splitRandom(options.seed, 'arrivals');
      const times = arrivalTimes(plan.segments, plan.arrivals, arrivalsRandom);
      await runOpenLoop(generator, inFlight, times);
      await waitTimeOut(plannedMs - (clock.nowMs() - startMs), signals.stop);
    }
    const sendingMs = clock.nowMs() - startMs;
    await drain(inFlight, options, progress);
    recorder.giveUp(inFlight.count);
    const totals = recorder.totals();
    return {
      mode: plan.mode,
      ...(plan.mode === 'open' ? { arrivals: plan.arrivals } : { concurrency: plan.concurrency }),
      durationS: sendingMs / 1000,
      interrupted: signals.stop.aborted,
      slo: sloOf(options),
      offeredQps: (totals.queries * 1000) / sendingMs,
      qps: (totals.ok * 1000) / sendingMs,
      ...totals,
    };
  } finally {
    clearInterval(live);
    progress.done();
    signals.release();
  }
}

/** The last arrival is before the end; what rate there was is over the whole time. */
async function waitTimeOut(leftMs: number, stop: AbortSignal): Promise<void> {
  if (leftMs <= 0 || stop.aborted) return;
  let timer: NodeJS.Timeout | undefined;
  const over = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, leftMs);
  });
  await Promise.race([over, aborted(stop)]);
  clearTimeout(timer);
}

async function drain(inFlight: InFlight, options: LoadOptions, progress: Progress): Promise<void> {
  if (inFlight.count === 0) return;
  progress.update(`load: waiting for ${String(inFlight.count)} answers`);
  let timer: NodeJS.Timeout | undefined;
  const tooLong = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, (options.timeout ?? defaultTimeoutMs) + drainGraceMs);
  });
  await Promise.race([inFlight.drained(), tooLong]);
  clearTimeout(timer);
}

/** Queries go round robin over connections and inputs; a lost connection is an outcome too. */
function sender(
  systems: readonly System[],
  inputs: readonly NamedTensors[],
  { selector, options }: LoadRun,
): SendQuery {
  const common = {
    ...selector,
    slo: sloOf(options),
    onMiss: options.onMiss,
    ...(options.timeout === undefined ? {} : { timeoutMs: options.timeout }),
    ...(options.priority === undefined ? {} : { priority: options.priority }),
  };
  return async (index) => {
    const system = systems[index % systems.length] as System;
    const answer = await system.query({
      ...common,
      inputs: inputs[index % inputs.length] as NamedTensors,
    });
    if (!answer.ok) return { ok: false, code: answer.error.code };
    return { ok: true, variant: answer.servedBy.variant, sloMet: answer.slo.met };
  };
}

function liveLine(
  elapsedMs: number,
  plannedMs: number,
  recorder: LoadRecorder,
  inFlight: InFlight,
): string {
  const seconds = `${(elapsedMs / 1000).toFixed(0)} of ${(plannedMs / 1000).toFixed(0)} s`;
  return (
    `load: ${seconds}, ${String(recorder.ok)} answered, ${String(recorder.failed)} failed, ` +
    `${String(inFlight.count)} in flight, p95 ${formatMs(recorder.recentP95Ms())} ms`
  );
}
