/** The metadata store's contract on both stores we ship, and what is each one's own. */

import { JetStreamStage, lmdbHarness } from './store-harness.ts';
import { describeStore } from './store-suite.ts';

describe('on this machine', function () {
  this.timeout(30_000);
  describeStore('lmdb', () => lmdbHarness());
});

describe('with a real nats-server', function () {
  this.timeout(30_000);
  const stage = new JetStreamStage();
  before(() => stage.start());
  after(() => stage.stop());
  describeStore('JetStream KV', () => stage.harness());
});
