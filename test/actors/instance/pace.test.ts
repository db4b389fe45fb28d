/** How fast an instance really is, and how fast queries come to it. */

import { expect } from 'chai';

import {
  arrivalsPerMs,
  createPace,
  observeArrival,
  observeRatio,
} from '../../../actors/instance/pace.ts';

describe('the pace of an instance', () => {
  it('follows the median of recent batches, not one that stands out', () => {
    const pace = createPace(1);
    for (let at = 0; at < 10; at += 1) observeRatio(pace, 1);
    observeRatio(pace, 50);
    observeRatio(pace, 50);
    expect(pace.slowdown).to.equal(1);
    observeRatio(pace, 50);
    expect(pace.slowdown).to.be.closeTo(1 + 0.2 * 49, 1e-9);
  });

  it('approaches what is measured again and again', () => {
    const pace = createPace(1);
    for (let at = 0; at < 60; at += 1) observeRatio(pace, 3);
    expect(pace.slowdown).to.be.closeTo(3, 1e-4);
  });

  it('knows no rate before the second arrival', () => {
    const pace = createPace(1);
    expect(arrivalsPerMs(pace, 5)).to.equal(0);
    observeArrival(pace, 10);
    expect(arrivalsPerMs(pace, 20)).to.equal(0);
  });

  it('takes the rate from the mean gap, and lets it fade when nothing comes', () => {
    const pace = createPace(1);
    for (const atMs of [0, 4, 8, 12]) observeArrival(pace, atMs);
    const rates = [12, 14, 22, 112].map((atMs) => arrivalsPerMs(pace, atMs));
    expect(rates).to.deep.equal([0.25, 0.25, 0.1, 0.01]);
  });

  it('never takes a burst at one instant for an infinite rate', () => {
    const pace = createPace(1);
    for (let at = 0; at < 5; at += 1) observeArrival(pace, 7);
    expect(arrivalsPerMs(pace, 7)).to.equal(1_000);
  });
});
