/** The chart of accuracy against latency, and who is on its front. */

import { expect } from 'chai';
import fc from 'fast-check';

import type { VariantDescription } from '../../../actors/domain/fleet-description.ts';
import { accuracyChart, paretoFront } from '../../../nodes/cli/accuracy-chart.ts';

function variantOf(name: string, accuracy: number, ms: number): VariantDescription {
  const latencyMs = [{ batch: 1, ms }];
  return { name, architecture: name, accuracy, latencyMs } as unknown as VariantDescription;
}

const anyVariants = fc
  .array(fc.record({ accuracy: fc.integer({ min: 0, max: 100 }), ms: fc.integer({ min: 1 }) }), {
    minLength: 1,
    maxLength: 20,
  })
  .map((drawn) => drawn.map(({ accuracy, ms }, at) => variantOf(`v${String(at)}`, accuracy, ms)));

const msOf = ({ latencyMs }: VariantDescription): number => latencyMs[0]!.ms;

describe('the chart of accuracy against latency', () => {
  it('has on its front who is beaten by nobody, and nobody else', () => {
    fc.assert(
      fc.property(anyVariants, (variants) => {
        const front = paretoFront(variants);
        const beats = (a: VariantDescription, b: VariantDescription): boolean =>
          msOf(a) <= msOf(b) &&
          a.accuracy >= b.accuracy &&
          (msOf(a) < msOf(b) || a.accuracy > b.accuracy);
        for (const variant of variants) {
          const isBeaten = variants.some((other) => beats(other, variant));
          const alike = front.some(
            (one) => msOf(one) === msOf(variant) && one.accuracy === variant.accuracy,
          );
          expect(alike).to.equal(!isBeaten);
        }
      }),
    );
  });

  it('draws every variant within its frame, whatever it is called', () => {
    fc.assert(
      fc.property(anyVariants, (variants) => {
        const svg = accuracyChart('a <task> & more', variants);
        expect(svg).to.contain('a &lt;task&gt; &amp; more');
        const circles = [
          ...svg.matchAll(/<circle cx="([\d.]+)" cy="([\d.]+)" r="5" fill="\S+" fill-o/g),
        ];
        expect(circles).to.have.length(variants.length);
        for (const [, x, y] of circles) {
          expect(Number(x)).to.be.within(70, 700);
          expect(Number(y)).to.be.within(56, 460);
        }
      }),
    );
  });
});
