/**
 * One engine on one core, for co-location to be measured: reads `run MILLISECONDS` on stdin, runs
 * its model over and over for so long, and prints how many runs and how much CPU time that was. CPU
 * time, since what others run on the machine would be seen in any other.
 *
 *     node engine-loop.js MODEL.onnx|stream BATCH
 */

import { createInterface } from 'node:readline';

import { InferenceSession, Tensor } from 'onnxruntime-node';

/** Twice what a last-level cache of today holds, so that every copy goes to memory. */
const streamBytes = 128 * 2 ** 20;

async function openWork(model: string, batch: number): Promise<() => Promise<unknown>> {
  if (model === 'stream') {
    const from = new Float64Array(streamBytes / 8).fill(1);
    const to = new Float64Array(streamBytes / 8);
    return () => {
      to.set(from);
      return Promise.resolve();
    };
  }
  const session = await InferenceSession.create(model, {
    ...{ intraOpNumThreads: 1, interOpNumThreads: 1, executionMode: 'sequential' },
    extra: { session: { intra_op: { allow_spinning: '0' } } },
  });
  const image = new Tensor('float32', new Float32Array(batch * 784), [batch, 1, 28, 28]);
  return () => session.run({ image });
}

const [model = '', batch = '1'] = process.argv.slice(2);
const work = await openWork(model, Number(batch));
for (let warming = 0; warming < 20; warming += 1) await work();
console.log('ready');
for await (const line of createInterface({ input: process.stdin })) {
  const untilMs = performance.now() + Number(line.split(' ')[1]);
  const before = process.cpuUsage();
  let runs = 0;
  while (performance.now() < untilMs) {
    await work();
    runs += 1;
  }
  const { user, system } = process.cpuUsage(before);
  console.log(JSON.stringify({ runs, cpuMs: (user + system) / 1_000 }));
}
