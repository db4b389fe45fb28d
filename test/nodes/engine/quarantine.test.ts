/** Who is suspect, and for how long. */

import { expect } from 'chai';

import { Quarantine } from '../../../nodes/engine/quarantine.ts';

describe('the quarantine', () => {
  it('holds a suspect until it has run enough good batches', () => {
    const quarantine = new Quarantine(3);
    quarantine.suspect('a');
    quarantine.ranWell('a');
    quarantine.ranWell('a');
    expect(quarantine.holds('a')).to.equal(true);
    quarantine.ranWell('a');
    expect(quarantine.holds('a')).to.equal(false);
  });

  it('counts from zero again after another crash', () => {
    const quarantine = new Quarantine(2);
    quarantine.suspect('a');
    quarantine.ranWell('a');
    quarantine.suspect('a');
    quarantine.ranWell('a');
    expect(quarantine.holds('a')).to.equal(true);
  });

  it('does not hold the innocent', () => {
    const quarantine = new Quarantine(2);
    quarantine.suspect('a');
    quarantine.ranWell('b');
    expect(quarantine.holds('b')).to.equal(false);
  });
});
