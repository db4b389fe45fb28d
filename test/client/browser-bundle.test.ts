/** The client as a browser gets it: bundled, without Node, over the browser's own WebSocket. */

import { runInNewContext } from 'node:vm';

import { expect } from 'chai';
import { build } from 'esbuild';
import WebSocket from 'ws';

import type * as Client from '../../client/index.ts';
import { startGateways } from '../nodes/gateways/start-gateways.ts';

async function bundle(): Promise<string> {
  const result = await build({
    entryPoints: ['client/index.ts'],
    bundle: true,
    platform: 'browser',
    format: 'iife',
    globalName: 'infaas',
    external: ['ws', 'nats'],
    write: false,
    logLevel: 'silent',
  });
  return result.outputFiles[0]!.text;
}

describe('the client in a browser', () => {
  it('bundles without Node, with ws and nats left to be loaded lazily', async () => {
    const code = await bundle();
    const imports = [...code.matchAll(/\bimport\("([^"]*)"\)/g)].map(([, name]) => name);
    expect(imports.sort()).to.deep.equal(['nats', 'ws']);
    expect(code).to.not.match(/node:|\bfrom ['"]/);
  });

  it('queries over the WebSocket it finds there', async () => {
    const gateways = await startGateways({ config: { token: 'open sesame' } });
    // What a page has, and nothing of Node's.
    const page = {
      ...{ WebSocket, document: {}, URL, TextEncoder, TextDecoder, performance },
      ...{ setTimeout, clearTimeout, ArrayBuffer, Uint8Array, Float32Array },
    };
    const client = runInNewContext(`${await bundle()}; infaas`, page) as typeof Client;
    const connection = await client.connect(gateways.wsUrl, { token: 'open sesame' });
    const answer = await connection.query({
      task: 'digit-classification',
      dataset: 'mnist',
      inputs: { image: { shape: [1, 1, 28, 28], data: new Float32Array(784) } },
    });
    expect(answer.ok ? answer.outputs['logits']?.data[1] : answer.error).to.equal(1);
    await connection.close();
    await gateways.close();
  });
});
