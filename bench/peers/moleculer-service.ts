/**
 * The peer on a microservice framework: a moleculer broker over NATS with the Notepack serializer,
 * its `infer` action running ONNX Runtime in the service's own process. The calling side is another
 * broker, in the process that drives the load.
 *
 *   moleculer-service --nats URL --name SERVICE --model FILE --input NAME --output NAME
 *                     --shape 1,1,28,28 --threads default|1
 *
 * Prints `{"ready":true}` once callers can find it. Tuned for speed: no metrics, no tracing, no
 * validation, no bulkhead, requests straight to the node (no NATS queue group in between).
 */

import { pathToFileURL } from 'node:url';

import { ServiceBroker } from 'moleculer';

import { createInfer, peerOptions } from './tensor-session.ts';

export interface MoleculerCaller {
  infer(data: Uint8Array): Promise<Uint8Array>;
  close(): Promise<void>;
}

interface InferParams {
  readonly data: Buffer;
}

/** A broker in this process that calls the service `name` (`--name`), once it has been found. */
export async function createMoleculerCaller(
  natsUrl: string,
  name = 'infer',
): Promise<MoleculerCaller> {
  const broker = createBroker(natsUrl, `caller-${name}-${String(process.pid)}`);
  await broker.start();
  await broker.waitForServices(name, 30_000, 20);
  const action = `${name}.infer`;
  return {
    infer: (data) => {
      const params: InferParams = { data: Buffer.from(data.buffer, data.byteOffset, data.length) };
      return broker.call<Buffer, InferParams>(action, params);
    },
    close: () => broker.stop(),
  };
}

function createBroker(natsUrl: string, nodeID: string): ServiceBroker {
  return new ServiceBroker({
    nodeID,
    transporter: { type: 'NATS', options: { url: natsUrl } },
    serializer: 'Notepack',
    logger: false,
    metrics: false,
    tracing: false,
    validator: false,
    requestTimeout: 30_000,
    contextParamsCloning: false,
    skipProcessEventRegistration: true,
    internalServices: false,
  });
}

async function serve(args: readonly string[]): Promise<void> {
  const options = peerOptions(args);
  const infer = await createInfer(options);
  const broker = createBroker(options.nats, `service-${options.name}-${String(process.pid)}`);
  broker.createService({
    name: options.name,
    actions: {
      infer: async (context: { readonly params: InferParams }): Promise<Buffer> => {
        const output = await infer(context.params.data);
        return Buffer.from(output.buffer, output.byteOffset, output.byteLength);
      },
    },
  });
  await broker.start();
  process.once('SIGTERM', () => {
    void broker.stop().then(() => process.exit(0));
  });
  process.stdout.write(`${JSON.stringify({ ready: true })}\n`);
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  await serve(process.argv.slice(2));
}
