import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { maskFor } from './decision.ts';
import {
  argumentsOf,
  compareRevealing,
  hasArguments,
  type Mask,
  MASK_ARGUMENTS,
  MASK_METHODS,
  maskWith,
  METHODS_WITH_ARGUMENTS,
  methodOf,
} from './mask.ts';

const someMask: fc.Arbitrary<Mask> = fc.oneof(
  fc.constantFrom<Mask>(...MASK_METHODS),
  fc
    .constantFrom(...METHODS_WITH_ARGUMENTS)
    .chain((method) =>
      fc
        .tuple(...MASK_ARGUMENTS[method].map(({ min, max }) => fc.integer({ min: Math.max(min, 1), max })))
        .map(
          (values) =>
            maskWith(method, Object.fromEntries(MASK_ARGUMENTS[method].map(({ name }, index) => [name, values[index]]))) ?? method,
        ),
    ),
);

describe('masks as text', () => {
  it('name the method alone where the arguments are its defaults', () => {
    assert.equal(maskWith('partial', { first: 1, last: 4 }), 'partial(1,4)');
    assert.equal(maskWith('partial', { first: 0, last: 4 }), 'partial');
    assert.equal(maskWith('partial', { last: 4 }), 'partial');
    assert.equal(maskWith('partial', { first: 2 }), 'partial(2,0)');
    assert.equal(maskWith('partial', {}), 'partial');
    assert.equal(maskWith('round', { step: 100 }), 'round(100)');
    assert.equal(maskWith('round', { step: 10 }), 'round');
    assert.equal(maskWith('date-shift', { days: 30 }), 'date-shift(30)');
    assert.equal(maskWith('date-shift', { days: 365 }), 'date-shift');
  });

  it('take no argument of another method, none out of range, and no partial that keeps nothing', () => {
    for (const given of [{ step: 2 }, { first: -1 }, { last: 21 }, { first: 0, last: 0 }, { first: 1.5 }, { first: Number.NaN }]) {
      assert.equal(maskWith('partial', given), null, JSON.stringify(given));
    }
    assert.equal(maskWith('round', { step: 1 }), null);
    assert.equal(maskWith('round', { step: 0 }), null);
    assert.equal(maskWith('date-shift', { days: 0 }), null);
    assert.equal(maskWith('date-shift', { days: 1, step: 2 }), null);
  });

  it('give their method and arguments back', () => {
    assert.deepEqual([methodOf('partial(1,4)'), argumentsOf('partial(1,4)')], ['partial', [1, 4]]);
    assert.deepEqual([methodOf('partial'), argumentsOf('partial')], ['partial', [0, 4]]);
    assert.deepEqual([methodOf('age-90'), argumentsOf('age-90')], ['age-90', []]);
    fc.assert(
      fc.property(someMask, (mask) => {
        const method = methodOf(mask);
        const values = argumentsOf(mask);
        if (!hasArguments(method)) return mask === method && values.length === 0;
        return maskWith(method, Object.fromEntries(MASK_ARGUMENTS[method].map(({ name }, index) => [name, values[index]]))) === mask;
      }),
    );
  });

  it('reveal less by method first, then with fewer characters or a bigger step', () => {
    const less: readonly (readonly [Mask, Mask])[] = [
      ['token', 'partial(1,0)'],
      ['year', 'date-shift'],
      ['date-shift', 'month'],
      ['partial(1,2)', 'partial'],
      ['partial', 'partial(1,4)'],
      ['partial(1,3)', 'partial(2,2)'],
      ['round(100)', 'round'],
      ['date-shift', 'date-shift(30)'],
    ];
    for (const [left, right] of less) assert.ok(compareRevealing(left, right) < 0 && compareRevealing(right, left) > 0, `${left} ${right}`);
    assert.equal(maskFor(['a', 'b'], { id: 'x', byClass: { a: 'round', b: 'round(100)' } }), 'round(100)');
  });

  it('are ordered in one way only', () => {
    fc.assert(
      fc.property(someMask, someMask, someMask, (a, b, c) => {
        assert.equal(compareRevealing(a, b) < 0, compareRevealing(b, a) > 0);
        assert.equal(compareRevealing(a, b) === 0, a === b);
        if (compareRevealing(a, b) <= 0 && compareRevealing(b, c) <= 0) assert.ok(compareRevealing(a, c) <= 0);
      }),
    );
  });
});
