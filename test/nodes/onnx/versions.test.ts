// The newest versions that are let through are the newest that ONNX Runtime takes.

import { InferenceSession } from 'onnxruntime-node';
import { expect } from 'chai';

import { irVersionMax, opsetMax } from '../../../nodes/onnx/check-model.ts';
import { makeNode } from '../../../nodes/onnx/rewrite/nodes.ts';
import { bytesOfModel, value } from './build-model.ts';

describe('known versions', () => {
  async function loads(opset: number, irVersion: number): Promise<boolean> {
    const bytes = bytesOfModel({
      nodes: [makeNode('Neg', ['x'], ['y'])],
      inputs: [value('x', [1])],
      outputs: [value('y', [1])],
      opset,
      irVersion,
    });
    try {
      const session = await InferenceSession.create(bytes, { logSeverityLevel: 4 });
      await session.release();
      return true;
    } catch {
      return false;
    }
  }

  it('end where those of ONNX Runtime end', async () => {
    expect(await loads(opsetMax, irVersionMax)).to.equal(true);
    expect(await loads(opsetMax + 1, irVersionMax)).to.equal(false);
    expect(await loads(opsetMax, irVersionMax + 1)).to.equal(false);
    expect(await loads(7, 3)).to.equal(true);
  });
});
