/** What a client does over each transport alike. */

import { expect } from 'chai';

import { type Answer, ClientError, connect, type InfaasClient } from '../../client/index.ts';
import { startGateways, type StartedGateways } from '../nodes/gateways/start-gateways.ts';
import { until } from '../nodes/gateways/until.ts';

export interface ClientHarness {
  readonly name: string;
  /** The URL that a client of these gateways connects to. */
  urlOf(gateways: StartedGateways): string;
  /** Of the NATS server to start gateways at, where this transport needs one. */
  natsUrl(): string | undefined;
}

const digits = { task: 'digit-classification', dataset: 'mnist' } as const;
const image = { shape: [1, 1, 28, 28], data: new Float32Array(784).fill(1) } as const;
const slow = { ...digits, dataset: 'slow', inputs: { image } } as const;

function codeOf(answer: Answer): string {
  return answer.ok ? 'ok' : answer.error.code;
}

export function clientSuite(harness: ClientHarness): void {
  describe(`the client over ${harness.name}`, () => {
    let gateways: StartedGateways;
    let client: InfaasClient;

    beforeEach(async () => {
      const config = { drainMs: 50 };
      gateways = await startGateways({ natsUrl: harness.natsUrl(), config });
      client = await connect(harness.urlOf(gateways));
    });

    afterEach(async () => {
      await client.close();
      await gateways.close();
    });

    it('queries with typed arrays and answers with typed arrays', async () => {
      const answer = await client.query({ id: 'mine', ...digits, inputs: { image } });
      if (!answer.ok) throw new Error(answer.error.message);
      expect(answer).to.include({ id: 'mine' });
      expect(answer.queryId).to.be.a('string');
      expect(answer.servedBy.variant).to.equal('cnn-small/fp32');
      const { logits } = answer.outputs;
      expect(logits?.shape).to.deep.equal([1, 10]);
      expect(logits?.data).to.be.instanceOf(Float32Array);
      expect(logits?.data[3]).to.equal(787);
    });

    it('takes and gives every kind of tensor', async () => {
      const answer = await client.query({
        task: 'echo',
        inputs: {
          text: { data: ['ahoj', 'žluťoučký'] },
          wide: { shape: [2, 2], data: BigInt64Array.of(1n, -2n, 3n, 2n ** 62n) },
          half: {
            datatype: 'FP16',
            data: [
              [0.5, -2],
              [1, 0],
            ],
          },
          flag: { data: [true, false] },
        },
      });
      if (!answer.ok) throw new Error(answer.error.message);
      const { text, wide, half, flag } = answer.outputs;
      expect(text?.data).to.deep.equal(['ahoj', 'žluťoučký']);
      expect(wide?.data).to.deep.equal(BigInt64Array.of(1n, -2n, 3n, 2n ** 62n));
      expect(half?.data).to.deep.equal(Float32Array.of(0.5, -2, 1, 0));
      expect(flag?.data).to.deep.equal(Uint8Array.of(1, 0));
    });

    it('answers many queries at once, each its own', async () => {
      const answers = await Promise.all(
        Array.from({ length: 100 }, (_, index) => {
          const data = new Float32Array(784).fill(index);
          return client.query({ ...digits, inputs: { image: { ...image, data } } });
        }),
      );
      const firsts = answers.map((answer) => (answer.ok ? answer.outputs['logits']?.data[0] : -1));
      expect(firsts).to.deep.equal(Array.from({ length: 100 }, (_, index) => 784 * index));
    });

    it('answers with the typed error, and never throws', async () => {
      const unknown = await client.query({ task: 'telepathy', inputs: { image } });
      expect(codeOf(unknown)).to.equal('unknown_task');
      const bad = await client.query({ ...digits, priority: 99, inputs: { image } });
      expect(codeOf(bad)).to.equal('bad_input');
      const built = await client.query({ ...digits, inputs: { image: { data: [1, 2] } } });
      expect(built.ok || built.error.message).to.match(/"image": datatype/);
      const shape = await client.query({ ...digits, inputs: { image: Float32Array.of(1, 2) } });
      expect(shape.ok || shape.error.message).to.match(/"image".*1 dimensions/);
    });

    it('answers bad_input to what the types would not let pass', async () => {
      const cases: readonly (readonly [unknown, RegExp])[] = [
        [undefined, /^inputs: /],
        [{ image: null }, /"image": expected.*null/],
        [{ image: { data: 'AAAA' } }, /"image": data: /],
        [{ image: { datatype: 'FP99', data: [1] } }, /"image": datatype: .*FP32/],
        [{ image: { datatype: 'INT32', data: Float32Array.of(1) } }, /"image".*FP32, not INT32/],
        [{ image: { datatype: 'UINT8', data: [1, 256] } }, /"image".*256/],
        [{ image: { shape: [-1], datatype: 'UINT8', data: [1] } }, /"image": shape: .*>= 0/],
        [{ image: { datatype: 'FP32', data: new Uint8Array(5) } }, /"image": shape\[0\]: .*1\.25/],
      ];
      for (const [inputs, says] of cases) {
        const answer = await client.query({ ...digits, inputs } as never);
        expect(answer.ok || answer.error.code).to.equal('bad_input');
        expect(answer.ok || answer.error.message).to.match(says);
      }
    });

    it('refuses an id that is in flight', async () => {
      const first = client.query({ id: 'twice', ...slow });
      const second = await client.query({ id: 'twice', ...slow });
      expect(second.ok || second.error.message).to.match(/"twice".*in flight/);
      await until(() => gateways.seen.held.size === 1);
      client.cancel('twice');
      expect(codeOf(await first)).to.equal('cancelled');
    });

    it('cancels by an AbortSignal', async () => {
      const controller = new AbortController();
      const answer = client.query(slow, { signal: controller.signal });
      await until(() => gateways.seen.held.size === 1);
      controller.abort();
      expect(codeOf(await answer)).to.equal('cancelled');
      expect(gateways.seen.held.size).to.equal(0);
      const late = await client.query(slow, { signal: controller.signal });
      expect(codeOf(late)).to.equal('cancelled');
    });

    it('describes the fleet', async () => {
      expect((await client.tasks())[0]?.name).to.equal('digit-classification');
      expect((await client.architectures({ task: 'digit-classification' })).length).to.equal(1);
      expect(await client.variants({ architecture: 'other' })).to.deep.equal([]);
      expect((await client.workers())[0]?.name).to.equal('worker-1');
      expect((await client.instances())[0]?.state).to.equal('active');
      const failure = await client.tasks({ tusk: 'x' } as never).catch((error: unknown) => error);
      expect(failure).to.be.instanceOf(ClientError).and.to.include({ code: 'bad_input' });
    });

    it('answers unavailable what is in flight when it is closed', async () => {
      const answer = client.query(slow);
      await until(() => gateways.seen.held.size === 1);
      await client.close();
      expect(codeOf(await answer)).to.equal('unavailable');
      expect(codeOf(await client.query(slow))).to.equal('unavailable');
    });

    it('answers unavailable what is in flight when its gateway closes', async () => {
      const answer = client.query(slow);
      await until(() => gateways.seen.held.size === 1);
      await gateways.close();
      expect(codeOf(await answer)).to.equal('unavailable');
    });
  });
}
