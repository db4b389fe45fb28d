/**
 * The workloads that real system and simulator are compared on, as the scenarios the simulator
 * runs;
 * the real system is sent the very arrivals that those come to. None of them calibrates anything.
 */

export interface Workload {
  readonly id: string;
  readonly about: string;
  readonly load: readonly StreamAsked[];
}

interface StreamAsked {
  readonly latencyMs: number;
  readonly timeoutMs: number;
  readonly [more: string]: unknown;
}

/** What the rates and latencies below are for: a core that runs `resnet-tta` in so long, ms. */
export const heavyMs = 14;

/** The same load, in shares of what a core of another pace carries. */
export function atPace({ load }: Workload, alone: number) {
  const pace = alone / heavyMs;
  return {
    loadFactor: 1 / pace,
    load: load.map((stream) => ({
      ...stream,
      latencyMs: pace * stream.latencyMs,
      timeoutMs: pace * stream.timeoutMs,
    })),
  };
}

export const warmUpS = 3;
export const durationS = 8;

const heavy = { architectures: ['resnet-tta'], latencyMs: 250, timeoutMs: 5_000 };

/**
 * Far enough apart that no query waits for another, and no further: what a query costs beside its
 * batch, and how noisy. A core that idles for a tenth of a second in between costs each a
 * millisecond that it costs no query of a load.
 */
export const calibration: Workload = {
  id: 'calibration',
  about: 'resnet-tta, 25 queries/s, evenly',
  load: [{ ...heavy, shape: { kind: 'constant', qps: 25 }, arrivals: { kind: 'constant' } }],
};

export const workloads: readonly Workload[] = [
  {
    id: 'low',
    about: 'resnet-tta, Poisson, 8 queries/s',
    load: [{ ...heavy, shape: { kind: 'constant', qps: 8 } }],
  },
  {
    id: 'half',
    about: 'resnet-tta, Poisson, 25 queries/s',
    load: [{ ...heavy, shape: { kind: 'constant', qps: 25 } }],
  },
  {
    id: 'bursts',
    about: 'resnet-tta, gamma with variation 3, 15 queries/s',
    load: [
      {
        ...{ ...heavy, shape: { kind: 'constant', qps: 15 } },
        arrivals: { kind: 'gamma', variation: 3 },
      },
    ],
  },
  {
    id: 'on-off',
    about: 'resnet-tta, 40 queries/s for 2 s, 4 for 2 s, and again',
    load: [{ ...heavy, shape: { kind: 'on-off', onQps: 40, offQps: 4, onS: 2, offS: 2 } }],
  },
  {
    id: 'switch',
    about: 'digits at 99.5 % for 4 s, then at 98 %: another variant, which is not loaded yet',
    load: [
      {
        ...{ task: 'digit-classification', accuracyMin: 99.5, latencyMs: 250, timeoutMs: 5_000 },
        shape: { kind: 'step', fromQps: 15, toQps: 0, atS: 4 },
      },
      {
        ...{ task: 'digit-classification', accuracyMin: 98, latencyMs: 250, timeoutMs: 5_000 },
        shape: { kind: 'step', fromQps: 0, toQps: 40, atS: 4 },
      },
    ],
  },
  {
    id: 'mix',
    about: 'four architectures by Zipf, the light ones most often, Poisson, 60 queries/s',
    load: [
      {
        architectures: ['cnn-large', 'cnn-small', 'mlp', 'resnet-tta'],
        ...{ zipf: 1, latencyMs: 250, timeoutMs: 5_000 },
        shape: { kind: 'constant', qps: 60 },
      },
    ],
  },
  {
    id: 'overload',
    about: 'resnet-tta, Poisson, 120 queries/s, refused where late',
    load: [{ ...heavy, onMiss: 'reject', shape: { kind: 'constant', qps: 120 } }],
  },
];
