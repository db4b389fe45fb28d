/**
 * The demo itself: starts a system, warms it up, asks digits and speech over the WebSocket, ends
 * it.
 */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { TaskDescription } from '../../../actors/domain/fleet-description.ts';
import { type RunningSystem, startSystem } from '../../standalone.ts';
import { connectToSystem } from '../connection.ts';
import { CommandFailed } from '../errors.ts';
import type { Progress } from '../progress.ts';
import { aborted } from '../signals.ts';
import type { System } from '../system.ts';
import { type AskOptions, askDigits, digitTask, type SloRow, warmUp } from './ask-digits.ts';
import { askSpeech, type SpeechRow } from './ask-speech.ts';
import { type Digit, digitsFrom, heldOutDigits } from './digits.ts';
import { type PlannedSlo, planSlos } from './slo-plan.ts';

export interface DemoSettings {
  readonly seed: number;
  readonly digitsDir: string | undefined;
  /** In all, spread over the SLOs; undefined: as many as the default says for each. */
  readonly queries: number | undefined;
  readonly nats: string;
  readonly token: string | undefined;
}

export interface DemoOutcome {
  readonly rows: readonly SloRow[];
  readonly speech: SpeechRow;
  readonly variants: number;
  readonly busDescription: string;
  /** Fewer queries than wanted were asked, to end in time. */
  readonly shortened: boolean;
}

const digitsPerSlo = 100;
const speechFrames = 90;
const queryTimeoutMs = 10_000;
/** When the last query is sent at the latest, and when the demo gives up; from the start. */
const askingMs = 40_000;
const demoMs = 50_000;
const closeMs = 5_000;
const loadedPollMs = 50;
const loadedWaitMs = 3_000;

/**
 * Ends what it started whatever happens. Fails with CommandFailed, when `stop` is aborted, and
 * after 50 seconds at the latest.
 */
export async function runDemo(
  settings: DemoSettings,
  progress: Progress,
  stop: AbortSignal,
): Promise<DemoOutcome> {
  const startMs = performance.now();
  const dataDir = await mkdtemp(join(tmpdir(), 'infaas-demo-'));
  let running: RunningSystem | undefined;
  const work = async (): Promise<DemoOutcome> => {
    const system = await startSystem({
      ...{ zoo: true, models: [], nats: settings.nats, workers: 1, dataDir },
      ...{ host: '127.0.0.1', port: 0, token: settings.token, logLevel: 'error' },
    });
    running = system;
    const broken = system.failed.then((error) => {
      throw new CommandFailed(`the system cannot go on: ${error.message}`, 'node_failed', error);
    });
    return Promise.race([askEverything(system, settings, progress, startMs), broken]);
  };
  try {
    return await unlessOver(work(), stop);
  } finally {
    progress.update('demo: stopping the system');
    await settledWithin(running?.close(), closeMs);
    await rm(dataDir, { recursive: true, force: true });
  }
}

async function unlessOver<T>(work: Promise<T>, stop: AbortSignal): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      reject(new CommandFailed(`the demo is not over after ${String(demoMs / 1000)} s`, 'timeout'));
    }, demoMs);
  });
  const stopped = aborted(stop).then(() => {
    throw new CommandFailed('the demo was interrupted', 'interrupted');
  });
  try {
    return await Promise.race([work, late, stopped]);
  } finally {
    clearTimeout(timer);
  }
}

async function settledWithin(work: Promise<unknown> | undefined, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([work, late]);
  clearTimeout(timer);
}

async function askEverything(
  running: RunningSystem,
  settings: DemoSettings,
  progress: Progress,
  startMs: number,
): Promise<DemoOutcome> {
  const system = await connectToSystem({ url: running.url, token: settings.token });
  try {
    const task = await digitTaskOf(system);
    const input = task.inputs[0];
    const slos = planSlos(await system.variants({ ...digitTask }));
    if (input === undefined || slos.length === 0) {
      throw new CommandFailed('no model for digits is registered', 'unknown_task');
    }
    const digits =
      settings.digitsDir === undefined
        ? heldOutDigits(input, settings.seed)
        : digitsFrom(settings.digitsDir, input, settings.seed);
    let answers = 0;
    const options: AskOptions = {
      ...{ system, input: input.name, timeoutMs: queryTimeoutMs },
      nowMs: () => performance.now(),
      onAnswer: () => {
        answers += 1;
        progress.update(`demo: ${String(answers)} queries answered`);
      },
    };
    await warmUpAll(options, slos, digits, progress);
    const endMs = startMs + askingMs;
    const rows: SloRow[] = [];
    let shortened = false;
    for (const [index, planned] of slos.entries()) {
      const chosen = digitsOf(digits, shareOf(settings.queries, slos.length, index));
      if (chosen.length === 0) continue;
      // Each has an equal part of the time that is left, the stream one too.
      const untilMs = options.nowMs() + (endMs - options.nowMs()) / (slos.length - index + 1);
      const row = await askDigits(options, planned, chosen, untilMs);
      shortened ||= row.queries < chosen.length;
      rows.push(row);
    }
    const speech = await askSpeech(options, speechFrames, endMs);
    const { variants, busDescription } = running;
    return { rows, speech, variants, busDescription, shortened };
  } finally {
    await system.close();
  }
}

async function digitTaskOf(system: System): Promise<TaskDescription> {
  const task = (await system.tasks()).find(({ name }) => name === digitTask.task);
  if (task !== undefined) return task;
  throw new CommandFailed(`there is no task "${digitTask.task}"`, 'unknown_task');
}

/**
 * Queries at the SLO `index`, so that all together are as many as asked; undefined: the default.
 */
function shareOf(queries: number | undefined, slos: number, index: number): number | undefined {
  if (queries === undefined) return undefined;
  return Math.floor(queries / slos) + (index < queries % slos ? 1 : 0);
}

/** The same digits for every SLO, so that rows compare; again from the first where they run out. */
function digitsOf(digits: readonly Digit[], count: number | undefined): Digit[] {
  const wanted = count ?? Math.min(digitsPerSlo, digits.length);
  return Array.from({ length: wanted }, (_, at) => digits[at % digits.length] as Digit);
}

/**
 * A variant that nobody asked for yet is not loaded: the first query waits for it, and is not
 * counted.
 */
async function warmUpAll(
  options: AskOptions,
  slos: readonly PlannedSlo[],
  digits: readonly Digit[],
  progress: Progress,
): Promise<void> {
  const [digit] = digits;
  if (digit === undefined) return;
  for (const planned of slos) {
    progress.update(`demo: warming up, one query at "${planned.title}" (not counted)`);
    const variant = await warmUp(options, planned, digit);
    if (variant !== undefined) await waitUntilLoaded(options.system, variant);
  }
}

/** Until the dispatcher, too, has heard that the variant is loaded. */
async function waitUntilLoaded(system: System, variant: string): Promise<void> {
  const giveUpMs = performance.now() + loadedWaitMs;
  while (performance.now() < giveUpMs) {
    const known = await system.variants({ ...digitTask });
    if (known.find(({ name }) => name === variant)?.state === 'loaded') return;
    await new Promise((resolve) => setTimeout(resolve, loadedPollMs));
  }
}
